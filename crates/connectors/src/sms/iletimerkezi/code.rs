//! İleti Merkezi's codes and what they mean, <https://www.iletimerkezi.com/en/docs/api/error-codes>.

use crate::call::{insufficient_balance, misconfigured, rejected_credentials};
use crate::failure::{BATCH_REFUSED, DUPLICATE, Failure, FailureKind};

/// A code other than 200.
pub(super) fn of(code: &str, words: String) -> Failure {
    let failure = match code {
        "401" => rejected_credentials(words),
        "402" => insufficient_balance(words),
        "422" => Failure::rejected("request_refused", words),
        "450" => misconfigured("sender_not_approved", words),
        // The same text to the same recipients within ten minutes: the first one has gone.
        "451" => Failure::rejected(DUPLICATE, words),
        "452" | "466" => Failure::rejected("recipient_invalid", words),
        "453" => Failure::rejected("text_too_long", words),
        "454" => Failure::rejected("text_empty", words),
        "455" => Failure::rejected("order_unknown", words),
        "456" => Failure::retryable("report_not_ready", words),
        "459" | "460" => misconfigured("sender_invalid", words),
        "467" => misconfigured("documents_missing", words),
        // Only commercial messages need these: informational ones of the same connection go on.
        "403" => Failure::rejected("iys_not_enabled", words),
        "470" => Failure::rejected("iys_brand_missing", words),
        "468" | "469" => Failure::rejected("iys_flag_missing", words),
        "429" => Failure::rate_limited("rate_limited", words, None),
        "503" => Failure::retryable("vendor_unavailable", words),
        "400" | "404" | "457" | "458" | "461" | "462" | "463" | "464" | "465" | "471" | "472" | "473" => {
            Failure::rejected("request_refused", words)
        }
        // 5xx in the body: whether it was done is not said.
        code if code.starts_with('5') => Failure::unconfirmed("vendor_failed", words),
        _ => Failure::rejected("vendor_refused", words),
    };
    failure.vendor_code(code)
}

/// An order with many messages says nothing of which one is at fault: each is then sent by itself.
pub(super) fn of_batch(failure: Failure, messages: usize) -> Failure {
    let whole = messages == 1 || failure.code == DUPLICATE || failure.code.starts_with("iys_");
    if whole || failure.kind != FailureKind::Rejected {
        return failure;
    }
    Failure { kind: FailureKind::Retryable { after: None }, code: BATCH_REFUSED.into(), ..failure }
}
