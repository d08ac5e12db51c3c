//! From nothing to a signed-in session: connect, greeting, EHLO, TLS, AUTH (RFC 5321, 3207, 8314, 4954).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::ServerName;
use santral_connectors::smtp::{Cause, Security, SmtpFailure, SmtpServer, Stage};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use url::Host;

use super::Settings;
use super::reply::{Capabilities, Reply};
use super::session::{COMMAND_TIMEOUT, Session};
use super::wire::{Io, Wire};
use crate::outbound::Trust;
use crate::outbound::guard::{ResolveError, parse_host};

/// The longest all addresses together may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest initial response that fits a command line (RFC 4954 §4).
const MAX_INITIAL_RESPONSE: usize = 490;

/// Opens a session for the first use that ends at `until`.
///
/// # Errors
/// The stage and the cause; nothing has been sent to anyone.
pub(super) async fn open(
    settings: &Settings,
    server: &SmtpServer<'_>,
    trust: Trust,
    until: Instant,
) -> Result<Session, SmtpFailure> {
    if server.security == Security::None && !settings.allow_plaintext {
        return Err(SmtpFailure { stage: Stage::Connect, cause: Cause::Plaintext });
    }
    let socket = dial(settings, server, trust, until).await?;
    let hello = hello(settings, &socket);
    let io: Box<dyn Io> = Box::new(socket);
    let io = match server.security {
        Security::Tls => secure(settings, server, io, until).await?,
        Security::Starttls | Security::None => io,
    };
    let mut session = greet(io, &hello, until).await?;
    if server.security == Security::Starttls {
        session = upgrade(settings, server, session, &hello, until).await?;
    }
    if let Some((user, password)) = server.login {
        sign_in(&mut session, user, password).await?;
    }
    Ok(session)
}

async fn dial(
    settings: &Settings,
    server: &SmtpServer<'_>,
    trust: Trust,
    until: Instant,
) -> Result<TcpStream, SmtpFailure> {
    let addresses = match trust {
        Trust::Tenant => settings.guard.resolve(server.host, server.port).await,
        Trust::Operator => settings.guard.resolve_trusted(server.host, server.port).await,
    };
    let addresses = addresses.map_err(unresolved)?;
    let end = until.min(Instant::now() + CONNECT_TIMEOUT);
    match timeout_at(end, connect_any(&addresses)).await {
        Ok(Ok(socket)) => Ok(socket),
        Ok(Err(error)) => Err(lost(Stage::Connect, format!("no connection: {error}"))),
        Err(_) => Err(lost(Stage::Connect, "no connection in time".to_owned())),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where mail sessions are opened")]
async fn connect_any(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn unresolved(error: ResolveError) -> SmtpFailure {
    let text = error.to_string();
    let cause = match error {
        ResolveError::Refused(_) | ResolveError::Invalid => Cause::Forbidden { text },
        ResolveError::Lookup(_) | ResolveError::TimedOut => Cause::Lost { text },
    };
    SmtpFailure { stage: Stage::Connect, cause }
}

/// A client without a name gives its address literal (RFC 5321 §4.1.3).
fn hello(settings: &Settings, socket: &TcpStream) -> String {
    match (&settings.hello_name, socket.local_addr()) {
        (Some(name), _) => name.clone(),
        (None, Ok(SocketAddr::V4(local))) => format!("[{}]", local.ip()),
        (None, Ok(SocketAddr::V6(local))) => format!("[IPv6:{}]", local.ip()),
        (None, Err(_)) => "[127.0.0.1]".to_owned(),
    }
}

async fn secure(
    settings: &Settings,
    server: &SmtpServer<'_>,
    io: Box<dyn Io>,
    until: Instant,
) -> Result<Box<dyn Io>, SmtpFailure> {
    let bad = |text: String| SmtpFailure { stage: Stage::Tls, cause: Cause::Tls { text } };
    let name = server_name(server.host).ok_or_else(|| bad("the host name cannot be verified".to_owned()))?;
    let connector = TlsConnector::from(Arc::clone(&settings.tls));
    let end = until.min(Instant::now() + COMMAND_TIMEOUT);
    match timeout_at(end, connector.connect(name, io)).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(tls) => Err(bad(tls.to_string())),
            None => Err(lost(Stage::Tls, format!("the connection broke: {error}"))),
        },
        Err(_) => Err(lost(Stage::Tls, "no TLS handshake in time".to_owned())),
    }
}

/// The name in the certificate is the one that was configured, whatever address it led to.
fn server_name(host: &str) -> Option<ServerName<'static>> {
    match parse_host(host).ok()? {
        Host::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned()).ok(),
        Host::Ipv4(v4) => Some(ServerName::IpAddress(std::net::IpAddr::V4(v4).into())),
        Host::Ipv6(v6) => Some(ServerName::IpAddress(std::net::IpAddr::V6(v6).into())),
    }
}

async fn greet(io: Box<dyn Io>, hello: &str, until: Instant) -> Result<Session, SmtpFailure> {
    let mut session = Session::new(Wire::new(io), until);
    let greeting = session.reply(Stage::Greeting).await?;
    if greeting.code != 220 {
        return Err(refused(Stage::Greeting, &greeting));
    }
    session.set_greeting(greeting.text());
    say_hello(&mut session, hello, Stage::Greeting).await?;
    Ok(session)
}

async fn say_hello(session: &mut Session, hello: &str, stage: Stage) -> Result<(), SmtpFailure> {
    let reply = session.command(stage, &format!("EHLO {hello}\r\n")).await?;
    if reply.is_positive() {
        session.set_capabilities(Capabilities::parse(&reply));
        return Ok(());
    }
    // RFC 5321 §3.2: a server that knows no EHLO may know HELO; it then offers nothing.
    if !matches!(reply.code, 500 | 502) {
        return Err(refused(stage, &reply));
    }
    let reply = session.command(stage, &format!("HELO {hello}\r\n")).await?;
    if reply.is_positive() { Ok(()) } else { Err(refused(stage, &reply)) }
}

async fn upgrade(
    settings: &Settings,
    server: &SmtpServer<'_>,
    mut session: Session,
    hello: &str,
    until: Instant,
) -> Result<Session, SmtpFailure> {
    if !session.capabilities().starttls {
        return Err(SmtpFailure { stage: Stage::Tls, cause: Cause::NotOffered { what: "STARTTLS" } });
    }
    let reply = session.command(Stage::Tls, "STARTTLS\r\n").await?;
    if reply.code != 220 {
        return Err(refused(Stage::Tls, &reply));
    }
    let greeting = session.greeting().to_owned();
    let Some(io) = session.into_io() else {
        let text = "the server sent plain text after it had agreed to TLS".to_owned();
        return Err(SmtpFailure { stage: Stage::Tls, cause: Cause::Tls { text } });
    };
    let io = secure(settings, server, io, until).await?;
    // What was offered in plain text is forgotten (RFC 3207 §4.2).
    let mut session = Session::new(Wire::new(io), until);
    session.set_greeting(greeting);
    say_hello(&mut session, hello, Stage::Tls).await?;
    Ok(session)
}

async fn sign_in(session: &mut Session, user: &str, password: &str) -> Result<(), SmtpFailure> {
    let offered = session.capabilities();
    let reply = if offered.plain && !(user.contains('\0') || password.contains('\0')) {
        plain(session, user, password).await?
    } else if offered.login {
        login(session, user, password).await?
    } else {
        return Err(SmtpFailure { stage: Stage::Auth, cause: Cause::NotOffered { what: "AUTH" } });
    };
    if reply.is_positive() { Ok(()) } else { Err(refused(Stage::Auth, &reply)) }
}

/// RFC 4616.
async fn plain(session: &mut Session, user: &str, password: &str) -> Result<Reply, SmtpFailure> {
    let response = STANDARD.encode(format!("\0{user}\0{password}"));
    if response.len() <= MAX_INITIAL_RESPONSE {
        return session.command(Stage::Auth, &format!("AUTH PLAIN {response}\r\n")).await;
    }
    let reply = session.command(Stage::Auth, "AUTH PLAIN\r\n").await?;
    if reply.code != 334 {
        return Ok(reply);
    }
    session.command(Stage::Auth, &format!("{response}\r\n")).await
}

/// The two prompts come in this order everywhere, whatever their words.
async fn login(session: &mut Session, user: &str, password: &str) -> Result<Reply, SmtpFailure> {
    let mut reply = session.command(Stage::Auth, "AUTH LOGIN\r\n").await?;
    for answer in [user, password] {
        if reply.code != 334 {
            return Ok(reply);
        }
        reply = session.command(Stage::Auth, &format!("{}\r\n", STANDARD.encode(answer))).await?;
    }
    Ok(reply)
}

fn refused(stage: Stage, reply: &Reply) -> SmtpFailure {
    SmtpFailure { stage, cause: reply.cause() }
}

fn lost(stage: Stage, text: String) -> SmtpFailure {
    SmtpFailure { stage, cause: Cause::Lost { text } }
}
