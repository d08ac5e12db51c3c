//! SMTP: e-mail through any server the company has an account on.
//!
//! Hosts, ports and sign-in of the presets are from the providers' own pages, named beside each.

use std::time::Duration;

use async_trait::async_trait;

use super::message::{BuiltMail, Origin, build};
use super::smtp_failure::classify;
use crate::address::Mailbox;
use crate::capability::Capabilities;
use crate::connector::{Action, Category, Channel, Connector, Cx, Perform};
use crate::failure::{Failure, Reason};
use crate::manifest::{Auth, Choice, Field, FieldKind, Limits, Part, Preset, Text};
use crate::operation::{Check, Checked, SendEmail, Sent};
use crate::smtp::{Mail, Security, SmtpServer};
use crate::values::{Credentials, FieldProblem, Settings};
use crate::words::readable;

#[derive(Debug)]
pub struct SmtpMail;

pub static CONNECTOR: Connector = Connector {
    id: "smtp",
    name: "SMTP",
    category: Category::Email,
    channel: Some(Channel::Email),
    auth: Auth::Fields,
    fields: &[HOST, SECURITY, PORT, USER, PASSWORD, FROM_ADDRESS, FROM_NAME, REPLY_TO],
    complete: Some(complete),
    presets: &[SENDGRID, BREVO, GMAIL, OUTLOOK, YANDEX, ZOHO],
    limits: Limits {
        rates: &[],
        concurrency: 4,
        deadline: Duration::from_secs(60),
        idempotent: false,
        receipts: false,
    },
    docs_url: "https://www.rfc-editor.org/rfc/rfc6409",
    actions: &[Action::Check(&SmtpMail), Action::SendEmail(&SmtpMail)],
    capabilities: Capabilities::NONE,
};

const HOST: Field = Field {
    key: "host",
    part: Part::Settings,
    kind: FieldKind::Host,
    required: true,
    label: Text { en: "Mail server", tr: "Posta sunucusu" },
    help: Text {
        en: "The outgoing (SMTP) server's name, without http:// or a port. Your mail provider tells you.",
        tr: "Giden posta (SMTP) sunucusunun adı; http:// veya port yazılmaz. E-posta sağlayıcınız bildirir.",
    },
    sample: "smtp.firma.com.tr",
    default: None,
};

const SECURITY: Field = Field {
    key: "security",
    part: Part::Settings,
    kind: FieldKind::Select(&[
        Choice { value: "starttls", label: Text { en: "STARTTLS (usual)", tr: "STARTTLS (en yaygın)" } },
        Choice { value: "tls", label: Text { en: "TLS/SSL from the start", tr: "Baştan TLS/SSL" } },
        Choice {
            value: "none",
            label: Text { en: "None (own network only)", tr: "Yok (yalnızca kendi ağınızda)" },
        },
    ]),
    required: true,
    label: Text { en: "Security", tr: "Güvenlik" },
    help: Text {
        en: "STARTTLS goes with port 587, TLS/SSL with port 465. Without either, the password would travel readable.",
        tr: "STARTTLS 587, TLS/SSL 465 portuyla kullanılır. İkisi de seçilmezse parola ağda açık gider.",
    },
    sample: "starttls",
    default: Some("starttls"),
};

const PORT: Field = Field {
    key: "port",
    part: Part::Settings,
    kind: FieldKind::Port,
    required: false,
    label: Text { en: "Port", tr: "Port numarası" },
    help: Text {
        en: "Left empty: 587 with STARTTLS, 465 with TLS/SSL, 25 without security.",
        tr: "Boş bırakılırsa STARTTLS için 587, TLS/SSL için 465, güvenliksiz bağlantı için 25 kullanılır.",
    },
    sample: "587",
    // Depends on `security`: see `complete`.
    default: None,
};

const USER: Field = Field {
    key: "user",
    part: Part::Credentials,
    kind: FieldKind::Text,
    required: false,
    label: Text { en: "User name", tr: "Kullanıcı adı" },
    help: Text {
        en: "Mostly your whole e-mail address. Leave it and the password empty if the server asks for neither.",
        tr: "Çoğu zaman e-posta adresinizin tamamıdır. Sunucu istemiyorsa parolayla birlikte boş bırakın.",
    },
    sample: "satis@firma.com.tr",
    default: None,
};

const PASSWORD: Field = Field {
    key: "password",
    part: Part::Credentials,
    kind: FieldKind::Secret,
    required: false,
    label: Text { en: "Password", tr: "Parola" },
    help: Text {
        en: "The account's password, or the app password or SMTP key that your provider gives. It is stored \
             encrypted and never shown again.",
        tr: "Hesabın parolası ya da sağlayıcınızın verdiği uygulama parolası veya SMTP anahtarı. Şifreli saklanır \
             ve bir daha gösterilmez.",
    },
    sample: "ornek-uygulama-parolasi",
    default: None,
};

const FROM_ADDRESS: Field = Field {
    key: "from_address",
    part: Part::Settings,
    kind: FieldKind::Email,
    required: true,
    label: Text { en: "Sender address", tr: "Gönderen adresi" },
    help: Text {
        en: "Customers see e-mails come from this address. The account must be allowed to send from it.",
        tr: "Müşterileriniz e-postaları bu adresten alır. Hesabın bu adresten göndermeye yetkisi olmalıdır.",
    },
    sample: "satis@firma.com.tr",
    default: None,
};

const FROM_NAME: Field = Field {
    key: "from_name",
    part: Part::Settings,
    kind: FieldKind::Text,
    required: false,
    label: Text { en: "Sender name", tr: "Gönderen adı" },
    help: Text {
        en: "The name customers see beside the address, such as your company's.",
        tr: "Müşterilerinizin adresin yanında gördüğü ad; örneğin firmanızın adı.",
    },
    sample: "Firma Satış",
    default: None,
};

const REPLY_TO: Field = Field {
    key: "reply_to",
    part: Part::Settings,
    kind: FieldKind::Email,
    required: false,
    label: Text { en: "Replies go to", tr: "Yanıt adresi" },
    help: Text {
        en: "Fill it in only if answers should reach another address than the sender's.",
        tr: "Yalnızca yanıtların gönderenden başka bir adrese gelmesini istiyorsanız doldurun.",
    },
    sample: "destek@firma.com.tr",
    default: None,
};

/// <https://www.twilio.com/docs/sendgrid/for-developers/sending-email/integrating-with-the-smtp-api>
const SENDGRID: Preset = Preset {
    id: "sendgrid",
    name: "SendGrid",
    values: &[("host", "smtp.sendgrid.net"), ("port", "587"), ("security", "starttls"), ("user", "apikey")],
    help: Text {
        en: "The user name is the word apikey itself. Paste an API key with Mail Send permission as the password. \
             The sender address must be verified in SendGrid.",
        tr: "Kullanıcı adı olarak apikey sözcüğü aynen kalır. Parola yerine Mail Send yetkili bir API anahtarı \
             yapıştırın. Gönderen adresi SendGrid'de doğrulanmış olmalıdır.",
    },
};

/// <https://developers.brevo.com/docs/smtp-integration>
const BREVO: Preset = Preset {
    id: "brevo",
    name: "Brevo",
    values: &[("host", "smtp-relay.brevo.com"), ("port", "587"), ("security", "starttls")],
    help: Text {
        en: "In Brevo, open SMTP & API: copy the SMTP login as the user name and an SMTP key (xsmtpsib-…) as the \
             password; the API key does not work here. If Brevo limits sending to authorised IP addresses, add this \
             server's address there.",
        tr: "Brevo'da SMTP ve API sayfasını açın: SMTP girişini kullanıcı adı, SMTP anahtarını (xsmtpsib-…) parola \
             olarak yapıştırın; API anahtarı burada çalışmaz. Brevo yalnızca izinli IP adreslerinden gönderime izin \
             veriyorsa bu sunucunun adresini oraya ekleyin.",
    },
};

/// <https://support.google.com/mail/answer/185833>
const GMAIL: Preset = Preset {
    id: "gmail",
    name: "Gmail",
    values: &[("host", "smtp.gmail.com"), ("port", "587"), ("security", "starttls")],
    help: Text {
        en: "Turn on 2-Step Verification, create an app password in your Google account and paste it as the password; \
             your usual password does not work. Gmail sends about 500 e-mails a day, Google Workspace 2,000.",
        tr: "2 Adımlı Doğrulama'yı açın, Google hesabınızda bir uygulama şifresi oluşturup parola alanına yapıştırın; \
             normal şifreniz çalışmaz. Gmail günde yaklaşık 500, Google Workspace 2.000 e-posta gönderir.",
    },
};

/// <https://learn.microsoft.com/exchange/clients-and-mobile-in-exchange-online/authenticated-client-smtp-submission>
const OUTLOOK: Preset = Preset {
    id: "outlook",
    name: "Outlook / Microsoft 365",
    values: &[("host", "smtp.office365.com"), ("port", "587"), ("security", "starttls")],
    help: Text {
        en: "Works only where your administrator allows Authenticated SMTP for the mailbox. Microsoft is retiring \
             sign-in with a password: prefer the Outlook connection where you can.",
        tr: "Yalnızca yöneticiniz posta kutusu için Kimliği Doğrulanmış SMTP'ye izin verdiyse çalışır. Microsoft \
             parolayla girişi kaldırıyor: mümkünse Outlook bağlantısını kullanın.",
    },
};

/// <https://yandex.com/support/yandex-360/customers/mail/en/mail-clients/others>
const YANDEX: Preset = Preset {
    id: "yandex",
    name: "Yandex",
    values: &[("host", "smtp.yandex.com"), ("port", "465"), ("security", "tls")],
    help: Text {
        en: "Allow mail programs in Yandex Mail's settings, create an app password and paste it as the password. The \
             sender address must be the account's own.",
        tr: "Yandex Mail ayarlarında posta programlarına izin verin, bir uygulama şifresi oluşturup parola alanına \
             yapıştırın. Gönderen adresi hesabın kendi adresi olmalıdır.",
    },
};

/// <https://www.zoho.com/mail/help/zoho-smtp.html>
const ZOHO: Preset = Preset {
    id: "zoho",
    name: "Zoho Mail",
    values: &[("host", "smtp.zoho.eu"), ("port", "465"), ("security", "tls")],
    help: Text {
        en: "Create an app-specific password in your Zoho account and paste it as the password. Accounts outside the \
             European data centre use another server name, such as smtp.zoho.com.",
        tr: "Zoho hesabınızda uygulamaya özel bir parola oluşturup parola alanına yapıştırın. Avrupa veri merkezi \
             dışındaki hesaplar smtp.zoho.com gibi başka bir sunucu adı kullanır.",
    },
};

/// The account as a stored connection gives it.
struct Account<'a> {
    server: SmtpServer<'a>,
    from: Mailbox,
    reply_to: Option<Mailbox>,
    /// What must not be seen in the server's words.
    secrets: Vec<String>,
}

#[async_trait]
impl Perform<Check> for SmtpMail {
    async fn perform(&self, cx: &Cx<'_>, _: &Check) -> Result<Checked, Failure> {
        let account = Account::read(cx)?;
        let reply = cx.smtp.check(&account.server).await;
        let reply = reply.map_err(|failure| classify(&failure, &account.secrets))?;
        Ok(Checked {
            account: account.from.address.to_string(),
            detail: readable(&reply.text, &account.secrets),
        })
    }
}

#[async_trait]
impl Perform<SendEmail> for SmtpMail {
    async fn perform(&self, cx: &Cx<'_>, op: &SendEmail) -> Result<Sent, Failure> {
        let account = Account::read(cx)?;
        let origin = Origin {
            from: account.from,
            reply_to: account.reply_to,
            message_id: cx.idempotency_key,
            now: cx.now,
        };
        let mail = envelope(build(op, &origin, cx.files)?);
        let reply = cx.smtp.send(&account.server, &mail).await;
        let reply = reply.map_err(|failure| classify(&failure, &account.secrets))?;
        Ok(Sent {
            message_id: None,
            answer: Some(readable(&reply.text, &account.secrets)),
            refused: reply.refused,
            ..Sent::default()
        })
    }
}

fn envelope(built: BuiltMail) -> Mail {
    Mail {
        from: built.envelope_from.to_string(),
        to: built.envelope_to.iter().map(ToString::to_string).collect(),
        needs_utf8: built.needs_utf8,
        content: built.content,
    }
}

impl<'a> Account<'a> {
    fn read(cx: &Cx<'a>) -> Result<Self, Failure> {
        let invalid = |key: &str| {
            Failure::misconfigured(
                Reason::Misconfigured,
                "settings_invalid",
                format!("the connection's {key} is missing or malformed"),
            )
        };
        let settings = cx.settings;
        let security = settings.get("security").map_or(Some(Security::Starttls), security);
        let security = security.ok_or_else(|| invalid("security"))?;
        let port = settings.get("port").map_or(Some(usual_port(security)), |port| port.parse().ok());
        let from = settings.get("from_address").and_then(|from| from.parse().ok());
        let reply_to = settings.get("reply_to").map(str::parse::<Mailbox>).transpose();
        let login = match (cx.credentials.get("user"), cx.credentials.get("password")) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            _ => return Err(invalid("user or password")),
        };
        Ok(Self {
            server: SmtpServer {
                host: settings.get("host").ok_or_else(|| invalid("host"))?,
                port: port.ok_or_else(|| invalid("port"))?,
                security,
                login,
            },
            from: Mailbox {
                name: settings.get("from_name").map(str::to_owned),
                address: from.ok_or_else(|| invalid("from_address"))?,
            },
            reply_to: reply_to.map_err(|_| invalid("reply_to"))?,
            secrets: login.map(secrets).unwrap_or_default(),
        })
    }
}

/// The password, and what AUTH PLAIN makes of it (RFC 4616), which some servers repeat when they refuse it.
fn secrets((user, password): (&str, &str)) -> Vec<String> {
    vec![format!("\0{user}\0{password}"), password.to_owned()]
}

fn security(name: &str) -> Option<Security> {
    match name {
        "starttls" => Some(Security::Starttls),
        "tls" => Some(Security::Tls),
        "none" => Some(Security::None),
        _ => None,
    }
}

/// RFC 8314 §7.3, RFC 6409, RFC 5321.
const fn usual_port(security: Security) -> u16 {
    match security {
        Security::Starttls => 587,
        Security::Tls => 465,
        Security::None => 25,
    }
}

/// Fills in the port that goes with the security; a user and a password come together or not at all.
fn complete(settings: &mut Settings, credentials: &Credentials) -> Vec<FieldProblem> {
    if settings.get("port").is_none()
        && let Some(security) = settings.get("security").and_then(security)
    {
        settings.0.insert("port".to_owned(), usual_port(security).to_string());
    }
    let missing = match (credentials.get("user"), credentials.get("password")) {
        (Some(_), None) => Some(PASSWORD),
        (None, Some(_)) => Some(USER),
        _ => None,
    };
    let problem = |field: Field| {
        field.problem(
            "required",
            "must not be empty: user name and password go together.",
            "boş bırakılamaz; kullanıcı adı ve parola birlikte girilir.",
        )
    };
    missing.into_iter().map(problem).collect()
}

#[cfg(test)]
mod tests;
