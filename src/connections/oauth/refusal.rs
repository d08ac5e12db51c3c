//! Why a consent came to nothing, what that means and what helps, for the person whose browser is back.

use axum::http::StatusCode;

use crate::i18n::Bilingual;

/// Every way a consent can end without a connection. The codes are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Malformed,
    UnknownState,
    Expired,
    Used,
    OtherBrowser,
    OtherSession,
    OtherIdp,
    OtherIssuer,
    Denied,
    VendorTrouble,
    VendorRefused,
    AppRefused,
    CodeRefused,
    NotRenewable,
    ScopeMissing,
    OtherAccount,
    AccountUnreadable,
    ConnectionGone,
    TooMany,
    NotConfigured,
    Internal,
}

/// A refusal with what is known besides.
#[derive(Debug, Clone)]
pub struct Refused {
    pub refusal: Refusal,
    /// The vendor's words or what is missing; on one line, without secrets.
    pub detail: Option<String>,
    /// Where the browser came from, if that is known and allowed.
    pub back: Option<String>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, detail: None, back: None }
    }
}

impl Refusal {
    pub const ALL: [Self; 21] = [
        Self::Malformed,
        Self::UnknownState,
        Self::Expired,
        Self::Used,
        Self::OtherBrowser,
        Self::OtherSession,
        Self::OtherIdp,
        Self::OtherIssuer,
        Self::Denied,
        Self::VendorTrouble,
        Self::VendorRefused,
        Self::AppRefused,
        Self::CodeRefused,
        Self::NotRenewable,
        Self::ScopeMissing,
        Self::OtherAccount,
        Self::AccountUnreadable,
        Self::ConnectionGone,
        Self::TooMany,
        Self::NotConfigured,
        Self::Internal,
    ];

    /// The one of a code.
    pub fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.code() == code)
    }

    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "callback_malformed",
            Self::UnknownState => "state_unknown",
            Self::Expired => "state_expired",
            Self::Used => "state_used",
            Self::OtherBrowser => "other_browser",
            Self::OtherSession => "other_session",
            Self::OtherIdp => "other_idp",
            Self::OtherIssuer => "other_issuer",
            Self::Denied => "consent_denied",
            Self::VendorTrouble => "vendor_unavailable",
            Self::VendorRefused => "vendor_refused",
            Self::AppRefused => "oauth_app_refused",
            Self::CodeRefused => "code_refused",
            Self::NotRenewable => "grant_not_renewable",
            Self::ScopeMissing => "scope_missing",
            Self::OtherAccount => "other_account",
            Self::AccountUnreadable => "account_unreadable",
            Self::ConnectionGone => "connection_gone",
            Self::TooMany => "too_many_connections",
            Self::NotConfigured => "not_configured",
            Self::Internal => "internal",
        }
    }

    pub const fn status(self) -> StatusCode {
        match self {
            Self::Malformed | Self::UnknownState | Self::OtherIdp | Self::OtherIssuer | Self::CodeRefused => {
                StatusCode::BAD_REQUEST
            }
            Self::Expired | Self::Used => StatusCode::GONE,
            Self::OtherBrowser | Self::OtherSession | Self::Denied | Self::ScopeMissing => {
                StatusCode::FORBIDDEN
            }
            Self::OtherAccount | Self::TooMany | Self::NotConfigured => StatusCode::CONFLICT,
            Self::ConnectionGone => StatusCode::NOT_FOUND,
            Self::VendorTrouble
            | Self::VendorRefused
            | Self::AppRefused
            | Self::NotRenewable
            | Self::AccountUnreadable => StatusCode::BAD_GATEWAY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What happened.
    pub fn title(self) -> Bilingual {
        let (tr, en) = self.words().0;
        Bilingual::new(tr, en)
    }

    /// What that means and what to do.
    pub fn remedy(self) -> Bilingual {
        let (tr, en) = self.words().1;
        Bilingual::new(tr, en)
    }

    #[expect(clippy::too_many_lines, reason = "one row per refusal, in both languages")]
    const fn words(self) -> (Words, Words) {
        const AGAIN: Words = (
            "Hiçbir şey kaydedilmedi. Geldiğiniz sayfaya dönüp bağlantıyı yeniden başlatın.",
            "Nothing was stored. Go back to where you came from and start again.",
        );
        match self {
            Self::Malformed => (("İstek okunamadı", "The request cannot be read"), AGAIN),
            Self::UnknownState => {
                (("Bu bağlanma isteği tanınmıyor", "This request to connect is unknown"), AGAIN)
            }
            Self::Expired => (
                ("Bağlanma isteğinin süresi doldu", "The request to connect has expired"),
                (
                    "Onay on dakika içinde tamamlanmalıdır; hiçbir şey kaydedilmedi. Geldiğiniz sayfaya dönüp yeniden \
                     başlatın.",
                    "Consent has to be given within ten minutes; nothing was stored. Go back to where you came from and \
                     start again.",
                ),
            ),
            Self::Used => (
                ("Bu bağlantı zaten kullanıldı", "This link was used already"),
                (
                    "Her bağlanma isteği bir kez kullanılabilir. Hesap bağlandıysa yapmanız gereken bir şey yok; \
                     bağlanmadıysa geldiğiniz sayfadan yeniden başlatın.",
                    "Every request to connect works once. If the account is connected there is nothing to do; if not, \
                     start again from where you came.",
                ),
            ),
            Self::OtherBrowser => (
                ("Onay başka bir tarayıcıda başlatılmış", "This was begun in another browser"),
                (
                    "Güvenliğiniz için onayı, bağlantıyı başlattığınız tarayıcıda tamamlayın ve çerezlere izin verin. \
                     Hiçbir şey kaydedilmedi.",
                    "For your safety, finish in the browser in which you began, and allow cookies. Nothing was stored.",
                ),
            ),
            Self::OtherSession => (
                ("Oturumunuz bu arada sona ermiş", "Your session has ended meanwhile"),
                (
                    "Bağlantıyı başlatan kişi artık oturum açmış değil; hiçbir şey kaydedilmedi. CRM'den yeniden girip \
                     bağlantıyı baştan başlatın.",
                    "Whoever began this is not signed in any more; nothing was stored. Come in from the CRM again and start \
                     anew.",
                ),
            ),
            Self::OtherIdp | Self::OtherIssuer => (
                ("Yanıt beklenen servisten gelmedi", "The answer is not from the service that was asked"),
                AGAIN,
            ),
            Self::Denied => (
                ("İzin verilmedi", "Permission was not given"),
                (
                    "Onay sayfasında izin verilmediği için hesap bağlanmadı. Şirketinizin hesabı yönetici onayı istiyorsa \
                     yöneticinizden onay isteyin, sonra yeniden deneyin.",
                    "The account was not connected because permission was not given on the consent page. If your \
                     company's account asks for an administrator's approval, ask for it and try again.",
                ),
            ),
            Self::VendorTrouble => (
                ("Servis şu anda yanıt vermiyor", "The service does not answer right now"),
                (
                    "Hesap bağlanmadı, hiçbir şey kaydedilmedi. Birkaç dakika sonra yeniden deneyin.",
                    "The account was not connected and nothing was stored. Try again in a few minutes.",
                ),
            ),
            Self::VendorRefused => (
                ("Servis isteği reddetti", "The service refused the request"),
                (
                    "Hesap bağlanmadı. Sorun sürerse bu sayfadaki ayrıntıyı sistem yöneticinize iletin.",
                    "The account was not connected. If it happens again, give the details on this page to your \
                     administrator.",
                ),
            ),
            Self::AppRefused | Self::NotConfigured => (
                ("Servis uygulaması doğru tanımlanmamış", "The app at the service is not set up correctly"),
                (
                    "Bunu siz düzeltemezsiniz: sistem yöneticinizin istemci kimliğini, gizli anahtarı ve dönüş adresini \
                     denetlemesi gerekir.",
                    "You cannot mend this yourself: your administrator has to check the client id, its secret and the \
                     redirect address.",
                ),
            ),
            Self::CodeRefused => {
                (("Servis onay kodunu kabul etmedi", "The service did not accept the code"), AGAIN)
            }
            Self::NotRenewable => (
                ("Servis kalıcı erişim vermedi", "The service gave no lasting access"),
                (
                    "Bağlantı bir saat sonra kesileceği için kaydedilmedi. Servisin hesap sayfasından bu uygulamanın \
                     erişimini kaldırıp yeniden bağlanın.",
                    "It would break after an hour, so nothing was stored. Remove this app's access on the service's \
                     account page and connect again.",
                ),
            ),
            Self::ScopeMissing => (
                ("Gerekli izinlerden biri verilmedi", "A permission that is needed was not given"),
                (
                    "Hiçbir şey kaydedilmedi. Yeniden bağlanın ve onay sayfasındaki bütün kutuları işaretli bırakın.",
                    "Nothing was stored. Connect again and leave every box on the consent page ticked.",
                ),
            ),
            Self::OtherAccount => (
                ("Başka bir hesap seçildi", "Another account was chosen"),
                (
                    "Bu bağlantı başka bir hesaba ait, bu yüzden değiştirilmedi. Aynı hesapla yeniden bağlanın ya da yeni \
                     hesap için yeni bir bağlantı oluşturun.",
                    "This connection belongs to another account, so it was left as it is. Connect again with the same \
                     account, or make a new connection for the new one.",
                ),
            ),
            Self::AccountUnreadable => (
                ("Hesap bilgisi okunamadı", "The account could not be read"),
                (
                    "Servis, hesabın kime ait olduğunu bildirmedi; hiçbir şey kaydedilmedi. Birkaç dakika sonra yeniden \
                     deneyin.",
                    "The service did not say whose account it is; nothing was stored. Try again in a few minutes.",
                ),
            ),
            Self::ConnectionGone => (
                ("Bağlantı artık yok", "The connection is gone"),
                (
                    "Yeniden bağlanmak istediğiniz bağlantı bu arada silinmiş. Yeni bir bağlantı oluşturun.",
                    "The connection that was to work again has been removed meanwhile. Make a new one.",
                ),
            ),
            Self::TooMany => (
                ("Bağlantı sınırına ulaşıldı", "There are too many connections"),
                (
                    "Yeni bir hesap bağlamadan önce kullanmadığınız bir bağlantıyı kaldırın.",
                    "Remove a connection that you do not use before you add another.",
                ),
            ),
            Self::Internal => (
                ("Beklenmeyen bir hata oluştu", "Something unexpected went wrong"),
                (
                    "Hiçbir şey kaydedilmedi. Birkaç dakika sonra yeniden deneyin.",
                    "Nothing was stored. Try again in a few minutes.",
                ),
            ),
        }
    }
}

/// Turkish, English.
type Words = (&'static str, &'static str);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_refusal_has_a_code_of_its_own_and_says_something_in_both_languages() {
        let codes: HashSet<_> = Refusal::ALL.iter().map(|refusal| refusal.code()).collect();
        assert_eq!(codes.len(), Refusal::ALL.len());
        for refusal in Refusal::ALL {
            assert_eq!(Refusal::of(refusal.code()), Some(refusal));
            for text in [refusal.title(), refusal.remedy()] {
                assert!(!text.tr.is_empty() && text.tr != text.en && !text.tr.contains("  "));
            }
            assert!(!refusal.status().is_success());
        }
    }
}
