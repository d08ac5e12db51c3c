//! Vonage's codes and what they mean, <https://developer.vonage.com/en/messaging/sms/guides/troubleshooting-sms>.

use crate::call::{insufficient_balance, misconfigured, rejected_credentials};
use crate::failure::Failure;

/// The status of a part that was not taken.
pub(super) fn of_send(status: &str, words: String) -> Failure {
    let failure = match status {
        "1" | "10" => Failure::rate_limited("rate_limited", words, None),
        "4" | "14" | "32" => rejected_credentials(words),
        "5" => Failure::retryable("vendor_failed", words),
        "7" => Failure::rejected("recipient_refused", words),
        "33" => Failure::rejected("recipient_unreachable", words),
        "8" => misconfigured("account_suspended", words),
        "9" => insufficient_balance(words),
        "11" => misconfigured("permission_missing", words),
        "29" => misconfigured("trial_account", words),
        // Some countries refuse a sender that others take.
        "15" => Failure::rejected("sender_refused", words),
        "6" | "12" | "22" => Failure::rejected("text_refused", words),
        "2" | "3" | "23" => Failure::rejected("request_refused", words),
        _ => Failure::rejected("vendor_refused", words),
    };
    failure.vendor_code(status)
}

/// The `err-code` of a receipt.
pub(super) fn of_receipt(status: &str, error: &str) -> Failure {
    let (code, words) = match error {
        "2" => ("recipient_unreachable", "the phone is off or out of coverage"),
        "3" => ("recipient_unknown", "the number is no longer in use"),
        "4" => ("recipient_refused", "the recipient has barred such calls"),
        "5" => ("not_delivered", "the number moved to another network"),
        "6" => ("operator_refused", "taken for spam by the operator"),
        "7" => ("recipient_unreachable", "the phone is busy"),
        "8" => ("not_delivered", "a network error"),
        "9" => ("recipient_refused", "the recipient does not take such messages"),
        "10" => ("request_refused", "an invalid message"),
        "11" | "12" => ("recipient_unreachable", "there is no route to this number"),
        "13" => ("recipient_refused", "blocked by an age restriction"),
        "14" => ("operator_refused", "blocked by the operator"),
        // Whose, the sender's or the recipient's, the sources do not say: the connection goes on.
        "15" => ("recipient_refused", "prepaid credit is insufficient"),
        "16" | "17" | "18" | "19" => ("operator_refused", "refused by a rule of the country"),
        _ if status == "expired" => ("expired", "not delivered in time"),
        _ => ("not_delivered", "not delivered"),
    };
    let vendor = if error.is_empty() { status.to_owned() } else { format!("{status}/{error}") };
    Failure::rejected(code, words).vendor_code(vendor)
}
