//! What went wrong at a check, said to a person in both languages.
//!
//! The code is stored before the vendor's own words (`credentials_rejected: 535 5.7.8: …`), so that the sentence can
//! be said in the language of whoever looks.

use std::borrow::Cow;

use santral_connectors::Failure;

use crate::delivery::detail_of;
use crate::i18n::{Bilingual, Lang};

/// Code, Turkish, English. Codes without a sentence are shown with the vendor's words alone.
static SENTENCES: &[(&str, &str, &str)] = &[
    ("host_not_found", "Bu adda bir sunucu bulunamadı.", "There is no server of this name."),
    ("host_invalid", "Sunucu adı geçerli değil.", "The server's name is not valid."),
    (
        "dns_timeout",
        "Sunucu adı zamanında çözülemedi; daha sonra yeniden deneyin.",
        "The server's name was not resolved in time; try again later.",
    ),
    ("dns_failed", "Sunucu adı çözülemedi.", "The server's name cannot be resolved."),
    (
        "address_forbidden",
        "Bu adres internette herkese açık değil; buraya bağlanılamaz.",
        "This address is not public; connecting to it is not allowed.",
    ),
    (
        "plaintext_not_allowed",
        "TLS kullanmayan posta sunucularına izin verilmiyor; STARTTLS ya da TLS seçin.",
        "Mail servers without TLS are not allowed here; choose STARTTLS or TLS.",
    ),
    (
        "connect_failed",
        "Sunucuya bağlanılamadı; adı ve port numarasını kontrol edin.",
        "The server cannot be reached; check its name and port.",
    ),
    (
        "connect_timeout",
        "Sunucu zamanında yanıt vermedi; adı ve port numarasını kontrol edin.",
        "The server did not answer in time; check its name and port.",
    ),
    (
        "connection_lost",
        "Sunucu bağlantıyı yarıda kesti ya da zamanında yanıt vermedi.",
        "The server broke the connection off or did not answer in time.",
    ),
    ("no_answer", "Servis zamanında yanıt vermedi.", "The service did not answer in time."),
    ("check_timeout", "Servis zamanında yanıt vermedi.", "The service did not answer in time."),
    ("answer_lost", "Sunucunun son yanıtı gelmedi.", "The server's last answer did not arrive."),
    (
        "tls_failed",
        "Güvenli bağlantı (TLS) kurulamadı; sertifika ya da güvenlik ayarı uygun değil.",
        "No secure connection (TLS) could be made; the certificate or the security setting does not fit.",
    ),
    (
        "tls_unavailable",
        "Sunucu şu anda güvenli bağlantı kuramıyor.",
        "The server cannot make a secure connection right now.",
    ),
    (
        "starttls_not_offered",
        "Sunucu STARTTLS sunmuyor; güvenlik ayarı olarak TLS/SSL deneyin.",
        "The server does not offer STARTTLS; try TLS/SSL as the security setting.",
    ),
    ("starttls_refused", "Sunucu STARTTLS isteğini reddetti.", "The server refused STARTTLS."),
    (
        "encryption_required",
        "Sunucu şifreli bağlantı istiyor; STARTTLS ya da TLS seçin.",
        "The server asks for encryption; choose STARTTLS or TLS.",
    ),
    (
        "credentials_rejected",
        "Kullanıcı adı veya parola kabul edilmedi.",
        "The user name or the password was not accepted.",
    ),
    (
        "auth_required",
        "Sunucu kullanıcı adı ve parola istiyor.",
        "The server asks for a user name and a password.",
    ),
    (
        "auth_not_offered",
        "Sunucu bilinen bir oturum açma yöntemi sunmuyor.",
        "The server offers no way to sign in that is known here.",
    ),
    (
        "auth_unavailable",
        "Sunucu şu anda oturum açtırmıyor; birkaç dakika sonra yeniden deneyin.",
        "The server lets nobody sign in right now; try again in a few minutes.",
    ),
    (
        "app_password_required",
        "Normal parola yerine bir uygulama parolası gerekiyor.",
        "An app password is needed instead of the usual one.",
    ),
    (
        "smtp_auth_disabled",
        "Bu posta kutusunda SMTP ile oturum açmak kapalı; yöneticiniz açabilir.",
        "Signing in by SMTP is switched off for this mailbox; your administrator can allow it.",
    ),
    (
        "ip_not_authorised",
        "Servis bu sunucunun IP adresine izin vermiyor; servisin ayarlarında izin verin.",
        "The service does not allow this server's IP address; allow it in the service's settings.",
    ),
    (
        "large_mail_not_permitted",
        "3 MB’ı aşan e-postalar için ek izin gerekiyor; bağlantının sayfasında “Büyük eklere izin ver” seçeneğini kullanın.",
        "E-mails over 3 MB need a further permission; use “Allow large attachments” on the connection's page.",
    ),
    (
        "grant_ended_google",
        "Google izni sona erdi: parola değişmiş, izin geri alınmış ya da altı ay kullanılmamış olabilir. Hesabı yeniden \
         bağlayın.",
        "The Google grant is over: the password was changed, the grant was revoked, or it was not used for six months. \
         Connect the account again.",
    ),
    (
        "grant_ended_after_a_week",
        "Google izni bir hafta sonra sona erdi: Google uygulaması “Testing” durumunda kalmış olabilir. Sunucuyu işleten \
         kişi uygulamayı yayımlamalı; siz hesabı yeniden bağlayın.",
        "The Google grant ended after a week: the Google app may still be in “Testing”. The server's operator has to \
         publish it; connect the account again.",
    ),
    (
        "grant_ended_microsoft",
        "Microsoft izni sona erdi: yöneticiniz oturumları kapatmış, parola sıfırlanmış ya da 90 gün kullanılmamış olabilir. \
         Hesabı yeniden bağlayın.",
        "The Microsoft grant is over: an administrator ended its sessions or reset the password, or it was not used for \
         90 days. Connect the account again.",
    ),
    (
        "grant_ended",
        "Hesabın verdiği izin sona erdi; hesabı yeniden bağlayın.",
        "The account's grant is over; connect the account again.",
    ),
    (
        "grant_missing",
        "Hesabın izni bulunamadı; hesabı yeniden bağlayın.",
        "There is no grant of the account; connect it again.",
    ),
    (
        "grant_not_renewable",
        "Servis kalıcı erişim vermemiş; hesabı yeniden bağlayın.",
        "The service gave no lasting access; connect the account again.",
    ),
    (
        "token_rejected",
        "Servis erişim iznini kabul etmiyor; hesabı yeniden bağlayın.",
        "The service does not accept the access it gave; connect the account again.",
    ),
    (
        "token_unavailable",
        "Servisin kimlik sunucusuna şu anda ulaşılamıyor; kendiliğinden yeniden denenecek.",
        "The service's identity server cannot be reached right now; it is tried again by itself.",
    ),
    (
        "oauth_app_refused",
        "Servisteki uygulama kabul edilmiyor; sunucuyu işleten kişi istemci kimliğini ve gizli anahtarını denetlemeli.",
        "The app at the service is not accepted; the server's operator has to check its client id and secret.",
    ),
    (
        "scope_missing",
        "Gerekli izinlerden biri eksik; hesabı yeniden bağlayıp bütün izinleri verin.",
        "A permission that is needed is missing; connect the account again and leave every box ticked.",
    ),
    (
        "api_disabled",
        "Servisin API'si bu uygulama için açılmamış; sunucuyu işleten kişi Google Cloud'da açmalı.",
        "The service's API is not switched on for this app; the server's operator has to do that in Google Cloud.",
    ),
    (
        "domain_policy",
        "Kuruluşunuzun yöneticisi bu uygulamaya izin vermiyor.",
        "Your organisation's administrator does not allow this app.",
    ),
    (
        "mailbox_not_enabled",
        "Bu hesabın posta kutusu yok ya da kapalı.",
        "This account has no mailbox, or it is switched off.",
    ),
    ("server_refused", "Sunucu bağlantıyı reddetti.", "The server refused the connection."),
    ("server_busy", "Sunucu şu anda çok meşgul.", "The server is too busy right now."),
    (
        "temporarily_refused",
        "Sunucu şimdilik reddetti; daha sonra yeniden deneyin.",
        "The server refused for now; try again later.",
    ),
    ("daily_limit", "Hesabın günlük sınırı dolmuş.", "The account's daily limit is reached."),
    ("unexpected_reply", "Sunucudan beklenmeyen bir yanıt geldi.", "The server gave an unexpected answer."),
    (
        "sender_refused",
        "Sunucu gönderen adresini kabul etmedi.",
        "The server does not accept the sender's address.",
    ),
    (
        "relay_denied",
        "Sunucu bu hesaptan dışarıya göndermeye izin vermiyor.",
        "The server does not let this account send to others.",
    ),
    (
        "endpoint_gone",
        "Alıcı artık bildirim istemediğini söyledi.",
        "The receiver says that it wants no more messages.",
    ),
    (
        "settings_invalid",
        "Bağlantının ayarları eksik ya da hatalı.",
        "The connection's settings are missing or malformed.",
    ),
    ("url_invalid", "Adres geçerli değil.", "The address is not valid."),
    ("address_invalid", "Adres geçerli değil.", "The address is not valid."),
    ("secret_invalid", "İmza anahtarı geçerli değil.", "The signing secret is not valid."),
    (
        "sender_not_approved",
        "Gönderici adı bu hesapta onaylı değil.",
        "The sender name is not approved for this account.",
    ),
    (
        "sender_not_registered",
        "Gönderici numarası ya da adı serviste kayıtlı değil.",
        "The sender's number or name is not registered with the service.",
    ),
    ("sender_invalid", "Gönderici adı geçerli değil.", "The sender name is not valid."),
    (
        "insufficient_balance",
        "Hesapta yeterli bakiye ya da kredi yok.",
        "The account's balance or credit is used up.",
    ),
    (
        "account_suspended",
        "Hesap servis tarafından askıya alınmış ya da kapatılmış.",
        "The account is suspended or closed by the service.",
    ),
    ("account_unknown", "Servis böyle bir hesap tanımıyor.", "The service knows no such account."),
    (
        "permission_missing",
        "Anahtarın bu iş için izni yok; serviste gerekli izinleri verin.",
        "The key may not do this; give it the permissions it needs at the service.",
    ),
    (
        "access_refused",
        "Servis bu hesaba erişim izni vermedi.",
        "The service refuses access to this account.",
    ),
    (
        "trial_account",
        "Deneme hesabı yalnızca onaylanmış numaralara gönderebilir.",
        "A trial account sends to verified numbers only.",
    ),
    (
        "country_not_allowed",
        "Hesabın bu ülkeye gönderim izni kapalı.",
        "The account may not send to this country.",
    ),
    (
        "package_missing",
        "Hesapta bu gönderim için paket tanımlı değil.",
        "The account has no package for this kind of message.",
    ),
    (
        "documents_missing",
        "Serviste hesap belgeleriniz eksik görünüyor.",
        "The service misses documents for this account.",
    ),
    (
        "iys_not_enabled",
        "Hesabın İYS denetimli gönderim yetkisi yok.",
        "The account may not send messages that İYS checks.",
    ),
    ("iys_brand_missing", "Hesaba bağlı bir İYS markası yok.", "No İYS brand is bound to the account."),
    (
        "rate_limited",
        "Servis şimdilik daha yavaş istek bekliyor.",
        "The service asks for slower calls right now.",
    ),
    (
        "vendor_unavailable",
        "Servis şu anda hizmet veremiyor; daha sonra yeniden deneyin.",
        "The service is not available right now; try again later.",
    ),
    ("vendor_failed", "Serviste bir iç hata oluştu.", "The service had an inner error."),
    ("vendor_refused", "Servis isteği reddetti.", "The service refused the request."),
    ("request_refused", "Servis isteği reddetti.", "The service refused the request."),
    ("answer_unreadable", "Servisten anlaşılmayan bir yanıt geldi.", "The service's answer cannot be read."),
    ("redirected", "Servis başka bir adrese yönlendiriyor.", "The service points to another address."),
    ("connector_panicked", "Denetim beklenmedik biçimde durdu.", "The check stopped unexpectedly."),
];

/// The address that was refused would tell what the operator's own network looks like.
const WITHOUT_WORDS: &[&str] = &["address_forbidden", "connector_panicked"];

fn sentence(code: &str) -> Option<Bilingual> {
    SENTENCES.iter().find(|(known, ..)| *known == code).map(|(_, tr, en)| Bilingual::new(*tr, *en))
}

/// The sentence of a code, without the vendor's words.
pub fn plain(code: &str, lang: Lang) -> Option<String> {
    sentence(code).map(|sentence| sentence.get(lang).to_owned())
}

/// The code that a stored detail begins with, if it has a sentence.
pub fn code_of_stored(detail: &str) -> Option<&str> {
    detail.split_once(": ").map(|(code, _)| code).filter(|code| sentence(code).is_some())
}

/// The failure's code, when it is one of those that are part of the program.
pub fn code_of(failure: &Failure) -> &'static str {
    match &failure.code {
        Cow::Borrowed(code) => code,
        Cow::Owned(code) => {
            SENTENCES.iter().map(|(known, ..)| *known).find(|known| known == code).unwrap_or("refused")
        }
    }
}

/// How a failure is stored: its code, then the vendor's code and words.
pub fn stored(failure: &Failure) -> String {
    format!("{}: {}", failure.code, detail_of(failure))
}

/// A sentence for a person, with the vendor's own words after it.
pub fn explain(code: &str, words: &str) -> Bilingual {
    let Some(mut sentence) = sentence(code) else { return Bilingual::new(words, words) };
    if !words.is_empty() && !WITHOUT_WORDS.contains(&code) {
        for text in [&mut sentence.tr, &mut sentence.en] {
            text.push_str(" (");
            text.push_str(words);
            text.push(')');
        }
    }
    sentence
}

/// What failed, for a person.
pub fn of_failure(failure: &Failure) -> Bilingual {
    explain(&failure.code, &detail_of(failure))
}

/// A stored detail in the language of its reader; one without a known code is shown as it is.
pub fn of_stored(detail: &str, lang: Lang) -> String {
    match detail.split_once(": ") {
        Some((code, words)) if sentence(code).is_some() => explain(code, words).get(lang).to_owned(),
        _ => detail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use santral_connectors::Reason;

    use super::*;

    #[test]
    fn every_code_has_one_sentence_in_each_language() {
        let codes: HashSet<_> = SENTENCES.iter().map(|(code, ..)| code).collect();
        assert_eq!(codes.len(), SENTENCES.len());
        assert!(SENTENCES.iter().all(|(_, tr, en)| tr.ends_with('.') && en.ends_with('.') && tr != en));
    }

    #[test]
    fn a_stored_failure_is_read_back_in_either_language() {
        let failure = Failure::misconfigured(Reason::RejectedCredentials, "credentials_rejected", "no\nway")
            .vendor_code("535 5.7.8");
        let stored = stored(&failure);
        assert_eq!(
            of_stored(&stored, Lang::Tr),
            "Kullanıcı adı veya parola kabul edilmedi. (535 5.7.8: no way)"
        );
        assert_eq!(
            of_stored(&stored, Lang::En),
            "The user name or the password was not accepted. (535 5.7.8: no way)"
        );
    }

    #[test]
    fn words_without_a_known_code_are_left_alone() {
        for words in ["", ":", "x: y", "nothing to split", "credentials_rejected"] {
            assert_eq!(of_stored(words, Lang::Tr), words);
        }
    }

    #[test]
    fn an_address_inside_the_operators_network_is_not_named() {
        let failure =
            Failure::misconfigured(Reason::Misconfigured, "address_forbidden", "10.0.0.7 is private");
        let text = of_failure(&failure);
        assert!(!text.tr.contains("10.0.0.7") && !text.en.contains("10.0.0.7"));
    }
}
