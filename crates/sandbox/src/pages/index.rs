//! The start page: every simulated vendor with a sentence and a way in.

use axum::extract::{Query, State};
use serde::Deserialize;

use super::Lang;
use super::html::{Safe, icon};
use super::layout::Page;
use crate::http::{App, Shared};

#[derive(Deserialize)]
pub(super) struct View {
    #[serde(default)]
    lang: Lang,
}

pub(super) async fn page(State(app): State<App>, Query(View { lang }): Query<View>) -> Page<'static> {
    let title = lang.pick("Taklit servisler", "Simulated services");
    let sub = lang.pick(
        "Santral gerçek servislerle konuşur gibi bunlarla konuşur. Hesap açmadan her şeyi deneyebilirsiniz.",
        "Santral talks to these as it would to the real ones. Try everything without opening an account.",
    );
    let body = format!(
        r#"<div class="phead"><div><h1>{title}</h1><p class="sub">{sub}</p></div></div>
<div class="cards">{}{}{}{}{}{}</div>
{}"#,
        mailbox_card(&app, lang),
        phones_card(&app, lang),
        smtp_card(&app, lang),
        webhook_card(&app, lang),
        files_card(lang),
        control_card(lang),
        addresses(lang),
    );
    Page { lang, title, here: "/", refresh: None, body }
}

fn card(icon_name: &str, title: &str, sentence: &str, rest: &str) -> String {
    format!(
        r#"<section class="panel card"><span class="tile">{}</span><div><h2>{title}</h2><p>{sentence}</p>{rest}</div></section>"#,
        icon(icon_name)
    )
}

fn mailbox_card(app: &Shared, lang: Lang) -> String {
    let open = lang.pick("Posta kutusunu aç", "Open the mailbox");
    let link = format!(
        r#"<p class="acts"><a class="btn pri" href="/mailbox?lang={}">{open} <b>{}</b></a></p>"#,
        lang.code(),
        app.mailbox.total()
    );
    let sentence =
        lang.pick("Gönderilen her e-posta buraya düşer.", "Every e-mail that is sent ends up here.");
    card("mail", lang.pick("Posta kutusu", "Mailbox"), sentence, &link)
}

fn phones_card(app: &Shared, lang: Lang) -> String {
    let open = lang.pick("Telefonlara bak", "Look at the phones");
    let link = format!(
        r#"<p class="acts"><a class="btn pri" href="/phones?lang={}">{open} <b>{}</b></a></p>"#,
        lang.code(),
        app.phones.total()
    );
    let sentence = lang.pick(
        "Netgsm, İleti Merkezi, Twilio, Vonage ve WhatsApp taklitleri; SMS ve WhatsApp mesajları buraya düşer.",
        "Netgsm, İleti Merkezi, Twilio, Vonage and WhatsApp, simulated; every SMS and WhatsApp message ends up here.",
    );
    card("phone", lang.pick("Telefonlar", "Phones"), sentence, &link)
}

fn smtp_card(app: &Shared, lang: Lang) -> String {
    let mut rows =
        format!("<dt>{}</dt><dd><code>{}</code></dd>", lang.pick("Adres", "Address"), app.smtp_addr);
    if let Some(address) = app.smtp_tls_addr {
        rows.push_str(&format!("<dt>TLS</dt><dd><code>{address}</code></dd>"));
    }
    for account in app.smtp.accounts() {
        let (user, password) = (Safe(&account.user), Safe(&account.password));
        rows.push_str(&format!(
            "<dt>{}</dt><dd><code>{user}</code> / <code>{password}</code></dd>",
            lang.pick("Hesap", "Account")
        ));
    }
    rows.push_str(&format!(
        r#"<dt>{}</dt><dd><a class="link" href="/ca.pem">ca.pem</a></dd>"#,
        lang.pick("Sertifika", "Certificate")
    ));
    let sentence = lang.pick(
        "Kurallara sıkı bağlı bir posta sunucusu; STARTTLS ve oturum açma destekler.",
        "A mail server that insists on the rules, with STARTTLS and sign-in.",
    );
    card(
        "lock",
        lang.pick("SMTP sunucusu", "SMTP server"),
        sentence,
        &format!("<dl class=\"meta\">{rows}</dl>"),
    )
}

fn webhook_card(app: &Shared, lang: Lang) -> String {
    let mut list = String::new();
    for hook in app.webhooks.all().iter().take(20) {
        let name = Safe(hook.name());
        list.push_str(&format!(
            r#"<li><a class="link" href="/webhook/{name}.json">{name}</a> <span class="muted">{}</span></li>"#,
            hook.taken()
        ));
    }
    let list = if list.is_empty() { list } else { format!("<ul class=\"names\">{list}</ul>") };
    let sentence = lang.pick(
        "<code>POST /webhook/{ad}</code> gelen isteği kaydeder; <code>GET /webhook/{ad}.json</code> gösterir.",
        "<code>POST /webhook/{name}</code> records what comes; <code>GET /webhook/{name}.json</code> shows it.",
    );
    card("hook", lang.pick("Webhook alıcısı", "Webhook receiver"), sentence, &list)
}

fn files_card(lang: Lang) -> String {
    let sentence = lang.pick(
        "İstenen boyda, her seferinde aynı baytlar: adresle eklenen dosyalar için.",
        "The same bytes each time, as many as you ask for: for attachments by URL.",
    );
    let example = r#"<p><a class="link" href="/files/teklif.pdf?size=20000"><code>/files/teklif.pdf?size=20000</code></a></p>"#;
    card("file", lang.pick("Dosyalar", "Files"), sentence, example)
}

fn control_card(lang: Lang) -> String {
    let sentence = lang.pick(
        "Sıradaki arızayı buradan ısmarlayın: ret, gecikme, kopan bağlantı.",
        "Order the next failure here: a refusal, a delay, a broken connection.",
    );
    let example = r#"<pre tabindex="0">POST /control/smtp/faults
{"stage":"rcpt",
 "action":{"type":"reply","code":451,
  "enhanced":"4.3.0","text":"Later"}}

POST /control/webhook/crm/faults
{"action":{"type":"status","status":503,
  "retry_after":"30"},"times":2}</pre>"#;
    card("dial", lang.pick("Arızalar", "Faults"), sentence, example)
}

fn addresses(lang: Lang) -> String {
    let rows = [
        ("bounce@…", "Reddedilir: 550 5.1.1, böyle bir kutu yok.", "Refused: 550 5.1.1, no such mailbox."),
        (
            "greylist@…",
            "İlk seferde 451 4.7.1, sonra kabul edilir.",
            "451 4.7.1 the first time, then accepted.",
        ),
        ("slow@…", "Kabul edilir, ama 3 saniye bekletir.", "Accepted, after a wait of 3 seconds."),
    ];
    let rows: String = rows
        .iter()
        .map(|(address, tr, en)| format!("<dt><code>{address}</code></dt><dd>{}</dd>", lang.pick(tr, en)))
        .collect();
    let title = lang.pick("Özel adresler", "Special addresses");
    format!(r#"<section class="panel pad"><h2>{title}</h2><dl class="meta">{rows}</dl></section>"#)
}
