//! PgBouncer before a PostgreSQL server, in the pool mode that a test asks for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use santral_testkit::free_port;
use tempfile::TempDir;
use tokio::net::TcpListener;
use url::Url;

use super::postgres::Database;
use super::within;

/// One running pooler. Dropping it ends it.
pub struct PgBouncer {
    process: Child,
    /// The database through the pooler.
    pub database: Database,
    _folder: TempDir,
}

impl PgBouncer {
    /// `mode` is `session` or `transaction`.
    pub async fn start(database: &Database, mode: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port().unwrap();
        let target = Url::parse(&database.url).unwrap();
        let (user, password) = (target.username(), target.password().unwrap());
        let users = folder.path().join("users.txt");
        fs::write(&users, format!("\"{user}\" \"{password}\"\n")).unwrap();
        let settings = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = {mode}\n\
             ignore_startup_parameters = extra_float_digits\ndefault_pool_size = 40\n",
            target.port().unwrap(),
            users.display(),
        );
        fs::write(&settings, text).unwrap();
        // It refuses to run as root, and whom root hands it over to must be able to read.
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let settings = settings.to_str().unwrap();
        let script = "if [ \"$(id -u)\" = 0 ]; then \
                      exec setpriv --reuid=nobody --regid=nogroup --clear-groups pgbouncer \"$0\"; fi; exec pgbouncer \"$0\"";
        let process = Command::new("sh")
            .args(["-c", script, settings])
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The port is taken as soon as the pooler answers there.
        let answers =
            within(Duration::from_secs(10), async || TcpListener::bind(("127.0.0.1", port)).await.is_err());
        assert!(answers.await, "PgBouncer does not start: run `apt-get install pgbouncer`, or scripts/test");
        let mut through = target.clone();
        through.set_port(Some(port)).unwrap();
        let database = Database { url: through.to_string(), ..database.clone() };
        Self { process, database, _folder: folder }
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
