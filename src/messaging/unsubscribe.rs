//! The way out of commercial e-mail (RFC 2369, one click by RFC 8058), and the sender's identity in it.

use santral_connectors::operation::{MessageKind, SendEmail};
use uuid::Uuid;

use super::consent::refusal;
use super::links::{self, Presented, Purpose};
use crate::app::App;
use crate::companies::setup::Setup;
use crate::config::PublicUrl;
use crate::error::{AppError, AppResult};
use crate::i18n::Lang;
use crate::store::{consents, deliveries};
use crate::vault::{Keyring, VaultError};

/// Where refusals that came by the link are said to come from.
const SOURCE: &str = "unsubscribe_link";

/// Gives a commercial e-mail its way out: the header, and a last line that names the sender. Others stay as they are.
///
/// # Errors
/// When the company's key does not open.
pub fn dress(
    email: &mut SendEmail,
    (setup, keyring): (&Setup, &Keyring),
    public_url: &PublicUrl,
    delivery: Uuid,
) -> Result<(), VaultError> {
    if email.kind != MessageKind::Commercial {
        return Ok(());
    }
    let link = links::mint(&setup.key(keyring)?, Purpose::Unsubscribe, setup.id, delivery)?;
    let url = public_url.to(&format!("/unsubscribe/{link}"));
    let (sentence, label) = words(setup.context.name(), setup.context.lang());
    if let Some(text) = email.text.as_mut().filter(|text| !text.trim().is_empty()) {
        text.push_str(&format!("\n\n-- \n{sentence}\n{label}: {url}\n"));
    }
    if let Some(html) = email.html.as_mut().filter(|html| !html.trim().is_empty()) {
        let line = format!(
            "<p style=\"font-size:12px;color:#666666\">{}<br><a href=\"{url}\">{label}</a></p>",
            escape(&sentence)
        );
        // Inside the document where there is one.
        let end = html.to_ascii_lowercase().rfind("</body>").unwrap_or(html.len());
        html.insert_str(end, &line);
    }
    email.unsubscribe = Some(url);
    Ok(())
}

fn words(company: &str, lang: Lang) -> (String, &'static str) {
    match lang {
        Lang::Tr => (
            format!("Bu ticari elektronik ileti {company} tarafından gönderilmiştir."),
            "E-posta listesinden çıkmak için",
        ),
        Lang::En => (format!("This commercial message was sent by {company}."), "To unsubscribe"),
    }
}

/// Text as it may stand in HTML.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Whom a link speaks for.
#[derive(Debug)]
pub struct WayOut {
    setup: std::sync::Arc<Setup>,
    delivery: Uuid,
}

impl WayOut {
    /// Reads the last part of the address.
    ///
    /// # Errors
    /// `not_found` when it is not one of ours, or the company is gone.
    pub async fn find(app: &App, link: &str) -> AppResult<Self> {
        let presented = Presented::parse(link).ok_or_else(AppError::not_found)?;
        let setup = app.setups().get(presented.company).await?.filter(|setup| setup.active);
        let setup = setup.ok_or_else(AppError::not_found)?;
        let key = setup.key(&app.services().keyring)?;
        if !presented.is_proven(&key, Purpose::Unsubscribe) {
            return Err(AppError::not_found());
        }
        Ok(Self { delivery: presented.row, setup })
    }

    /// The company that sent the message.
    pub fn company(&self) -> &str {
        self.setup.context.name()
    }

    pub fn lang(&self) -> Lang {
        self.setup.context.lang()
    }

    /// Records that the recipient wants no more commercial e-mail. Asking again records it again, which changes
    /// nothing.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn take(&self, app: &App) -> AppResult<()> {
        let company = self.setup.id;
        let mut tx = app.db().company(company).write().await?;
        let stored = deliveries::find(&mut tx, company.0, self.delivery).await?;
        // A person who was erased meanwhile has no consent that could count.
        if let Some(recipient) = stored.and_then(|stored| stored.recipient) {
            let refusal = refusal(company.0, ("email", recipient), SOURCE, app.clock().micros());
            consents::record(&mut tx, &[refusal]).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_html_cannot_be_markup() {
        assert_eq!(escape("<b a=\"x\">&'"), "&lt;b a=&quot;x&quot;&gt;&amp;&#39;");
    }

    #[test]
    fn the_sender_is_named_in_both_languages() {
        for lang in [Lang::Tr, Lang::En] {
            assert!(words("Örnek A.Ş.", lang).0.contains("Örnek A.Ş."));
        }
    }
}
