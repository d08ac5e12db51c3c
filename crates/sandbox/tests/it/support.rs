//! A sandbox, a mail client that does as it is told, and one that is as rude as a test wants.

use std::net::SocketAddr;

use lettre::message::header::ContentType;
use lettre::message::{Attachment, MultiPart};
use lettre::transport::smtp::AsyncSmtpTransportBuilder;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, Message, Tokio1Executor};
use santral_sandbox::{Sandbox, SandboxConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub type Client = AsyncSmtpTransport<Tokio1Executor>;

pub async fn sandbox() -> Sandbox {
    Sandbox::start(SandboxConfig::default()).await.expect("a sandbox on free ports")
}

/// Trusts the sandbox's authority and nothing else.
pub fn tls(sandbox: &Sandbox) -> TlsParameters {
    let ca = Certificate::from_pem(sandbox.ca_pem().as_bytes()).expect("a certificate");
    TlsParameters::builder("localhost".into()).add_root_certificate(ca).build().expect("parameters")
}

fn builder(address: SocketAddr) -> AsyncSmtpTransportBuilder {
    Client::builder_dangerous(address.ip().to_string()).port(address.port())
}

/// In the clear, not signed in.
pub fn plain(sandbox: &Sandbox) -> Client {
    builder(sandbox.smtp_addr()).build()
}

/// STARTTLS and signed in with this password.
pub fn secure(sandbox: &Sandbox, password: &str) -> Client {
    builder(sandbox.smtp_addr())
        .tls(Tls::Required(tls(sandbox)))
        .credentials(Credentials::new("demo".into(), password.into()))
        .build()
}

/// TLS from the first byte.
pub fn implicit(sandbox: &Sandbox) -> Client {
    let address = sandbox.smtp_tls_addr().expect("asked for");
    builder(address).tls(Tls::Wrapper(tls(sandbox))).build()
}

pub fn mail(to: &str) -> Message {
    Message::builder()
        .from("Yıldız Mobilya <satis@yildiz.test>".parse().expect("an address"))
        .to(to.parse().expect("an address"))
        .subject("Teklifiniz hazır")
        .body("Merhaba\n.\n..nokta\n".to_owned())
        .expect("a mail")
}

pub fn mail_with_parts(subject: &str, html: &str, file_name: &str) -> Message {
    let file = Attachment::new(file_name.into()).body("%PDF".to_owned(), ContentType::TEXT_HTML);
    Message::builder()
        .from("a@x.test".parse().expect("an address"))
        .to("b@y.test".parse().expect("an address"))
        .subject(subject)
        .multipart(
            MultiPart::mixed()
                .multipart(MultiPart::alternative_plain_html("düz metin".to_owned(), html.to_owned()))
                .singlepart(file),
        )
        .expect("a mail")
}

/// What lettre puts on the wire: it ends every mail with one more CRLF of its own.
pub fn on_the_wire(mail: &Message) -> Vec<u8> {
    [mail.formatted(), b"\r\n".to_vec()].concat()
}

/// Sends all bytes at once and returns all that comes back until the server hangs up.
pub async fn say(sandbox: &Sandbox, bytes: &[u8]) -> String {
    #[expect(clippy::disallowed_methods, reason = "a test client outside the server")]
    let mut stream = TcpStream::connect(sandbox.smtp_addr()).await.expect("connected");
    stream.write_all(bytes).await.expect("written");
    stream.shutdown().await.expect("half closed");
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _reset = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).expect("text")
}

/// The codes of all final reply lines.
pub fn codes(answer: &str) -> Vec<&str> {
    answer
        .lines()
        .filter(|line| line.as_bytes().get(3) == Some(&b' '))
        .filter_map(|line| line.get(..3))
        .collect()
}

pub async fn get(sandbox: &Sandbox, path: &str) -> reqwest::Response {
    client().get(format!("{}{path}", sandbox.http_url())).send().await.expect("an answer")
}

#[expect(clippy::disallowed_methods, reason = "a test client outside the server")]
pub fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client")
}
