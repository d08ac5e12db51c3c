//! Why a delivery stands where it stands, said to a person in both languages.

use crate::connections::words;
use crate::i18n::{Bilingual, Lang};

/// Reasons that are our own; what vendors say has its sentences with the connections.
static SENTENCES: &[(&str, &str, &str)] = &[
    (
        "sandbox",
        "Test modu açıktı: mesaj servise ve alıcıya gitmedi, burada saklandı.",
        "Sandbox mode was on: the message went to no service and no recipient, it was kept here.",
    ),
    ("requested", "Gönderilmeden iptal edildi.", "It was cancelled before it was sent."),
    ("too_late", "Gönderme zamanı geçtiği için gönderilmedi.", "Its time had passed, so it was not sent."),
    (
        "automation_off",
        "Otomasyon kapatıldığı için gönderilmedi.",
        "The automation was switched off, so it was not sent.",
    ),
    (
        "automation_changed",
        "Otomasyon değiştiği ve bu eylem kalmadığı için gönderilmedi.",
        "The automation was changed and no longer has this action, so it was not sent.",
    ),
    (
        "no_connection",
        "Bu kanala bağlı bir hesap yok. Hesap bağlanınca gönderilir.",
        "No account is connected for this channel. It goes out once there is one.",
    ),
    (
        "connection_removed",
        "Gönderecek hesabın bağlantısı kesilmiş.",
        "The account that was to send it has been disconnected.",
    ),
    (
        "channel_stopped",
        "Bu kanal acil durdurmayla durduruldu. Yeniden başlatılınca gönderilir.",
        "This channel is under the emergency stop. It goes out once the channel goes on.",
    ),
    (
        "quiet_hours",
        "Ticari mesajlar sessiz saatlerde bekler. Sessiz saatler bitince gönderilir.",
        "Commercial messages wait during quiet hours. It goes out once they are over.",
    ),
    ("daily_limit", "Günlük gönderim sınırı dolmuş.", "The day's limit of messages is reached."),
    (
        "no_consent",
        "Alıcının ticari ileti izni olmadığı için gönderilmedi.",
        "The recipient has not agreed to commercial messages, so it was not sent.",
    ),
    (
        "inactive",
        "Hesap kapalı. Açılınca gönderilir.",
        "The account is switched off. It goes out once it is on.",
    ),
    (
        "needs_reauth",
        "Hesabın izni bitmiş. Yeniden bağlanınca gönderilir.",
        "The account's permission has ended. It goes out once it is reconnected.",
    ),
    (
        "rejected_credentials",
        "Servis hesabın bilgilerini kabul etmiyor. Düzeltilince gönderilir.",
        "The service does not accept the account's credentials. It goes out once they are corrected.",
    ),
    (
        "insufficient_balance",
        "Hesabın bakiyesi yetersiz. Yüklenince gönderilir.",
        "The account has no balance left. It goes out once there is some.",
    ),
    (
        "misconfigured",
        "Hesabın ayarlarında bir sorun var. Düzeltilince gönderilir.",
        "Something in the account's settings is not right. It goes out once it is corrected.",
    ),
    (
        "credential_unreadable",
        "Hesabın saklanan bilgileri açılamıyor. Sistem yöneticinize haber verin.",
        "The account's stored credentials do not open. Tell your operator.",
    ),
    (
        "worker_lost",
        "Gönderim sürerken sunucu kapandı; servisin mesajı alıp almadığı bilinmiyor.",
        "The server went down while it was being sent; whether the service took it is not known.",
    ),
    ("settled_by_hand", "Sonucu bir kişi belirledi.", "A person settled its outcome."),
    (
        "erased",
        "Kişisel verileri silindiği için gönderilmedi.",
        "Its personal data was erased, so it was not sent.",
    ),
    (
        "recipient_invalid",
        "Alıcının adresi ya da numarası geçerli değil. CRM’deki kaydı düzeltin.",
        "The recipient's address or number is not valid. Correct the record in the CRM.",
    ),
    (
        "recipient_missing",
        "Alıcının adresi ya da numarası yok. CRM’deki kaydı tamamlayın.",
        "The recipient's address or number is missing. Complete the record in the CRM.",
    ),
    (
        "recipient_refused",
        "Alıcının sunucusu bu adrese gelen e-postayı kabul etmedi.",
        "The recipient's server does not take e-mail for this address.",
    ),
    (
        "recipient_unknown",
        "Alıcının sunucusunda böyle bir adres yok. CRM’deki kaydı düzeltin.",
        "The recipient's server has no such address. Correct the record in the CRM.",
    ),
    ("recipient_disabled", "Alıcının posta kutusu kapalı.", "The recipient's mailbox is disabled."),
    (
        "recipient_moved",
        "Alıcı başka bir adrese taşınmış. CRM’deki kaydı düzeltin.",
        "The recipient has moved to another address. Correct the record in the CRM.",
    ),
    (
        "undefined_value",
        "Mesajın kullandığı bir alan olayda yok.",
        "The message uses a field that the event does not have.",
    ),
];

/// The sentence of a reason or an attempt's code; `None` where only technical words are known.
pub fn plain(reason: &str, lang: Lang) -> Option<String> {
    if reason.starts_with("fallback:") {
        let by = Bilingual::new("Yedek hesaptan gönderildi.", "It was sent through the fallback account.");
        return Some(by.get(lang).to_owned());
    }
    let own = SENTENCES.iter().find(|(known, ..)| *known == reason);
    let own = own.map(|(_, tr, en)| Bilingual::new(*tr, *en).get(lang).to_owned());
    own.or_else(|| words::plain(reason, lang))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_said_in_both_languages() {
        for (reason, tr, en) in SENTENCES {
            assert!(tr.ends_with('.') && en.ends_with('.') && tr != en, "{reason}");
            assert_eq!(plain(reason, Lang::Tr).as_deref(), Some(*tr));
        }
        assert!(plain("fallback:con_1", Lang::En).is_some());
        assert!(plain("credentials_rejected", Lang::Tr).is_some());
        assert_eq!(plain("", Lang::Tr), None);
    }
}
