//! Netgsm's codes and what they mean.

use std::time::Duration;

use crate::call::{insufficient_balance, misconfigured, rejected_credentials};
use crate::capability::MessageState;
use crate::failure::{DUPLICATE, Failure, FailureKind, OPTED_OUT};

/// Code 85 counts twenty messages to one number within a minute.
const SAME_NUMBER_WAIT: Duration = Duration::from_mins(1);

/// A code of `send` other than success.
pub(super) fn of_send(code: &str, commercial: bool, words: String) -> Failure {
    let failure = match code {
        "20" => Failure::rejected("text_refused", words),
        "30" => rejected_credentials(words),
        "40" => misconfigured("sender_not_approved", words),
        // Only commercial messages need İYS: informational ones of the same connection go on.
        "50" if commercial => Failure::rejected("iys_not_enabled", words),
        "51" if commercial => Failure::rejected("iys_brand_missing", words),
        "50" => misconfigured("iys_not_enabled", words),
        "51" => misconfigured("iys_brand_missing", words),
        "60" => misconfigured("package_missing", words),
        "70" => Failure::rejected("request_refused", words),
        "80" => Failure::rate_limited("rate_limited", words, None),
        "85" => Failure::retryable("recipient_too_often", words).after(SAME_NUMBER_WAIT),
        "100" | "101" => Failure::retryable("vendor_failed", words),
        _ => Failure::rejected("vendor_refused", words),
    };
    failure.vendor_code(code)
}

/// A call with many messages says nothing of which one is at fault: each is then sent by itself.
pub(super) fn of_batch(failure: Failure, messages: usize) -> Failure {
    if messages == 1 || failure.kind != FailureKind::Rejected || failure.code.starts_with("iys_") {
        return failure;
    }
    Failure {
        kind: FailureKind::Retryable { after: None },
        code: crate::failure::BATCH_REFUSED.into(),
        ..failure
    }
}

/// A code of the endpoints that only answer questions.
pub(super) fn of_question(code: &str, words: String) -> Failure {
    let failure = match code {
        "30" => rejected_credentials(words),
        "70" => Failure::rejected("request_refused", words),
        "80" => Failure::rate_limited("rate_limited", words, None),
        "100" | "101" | "110" => Failure::retryable("vendor_failed", words),
        _ => Failure::rejected("vendor_refused", words),
    };
    failure.vendor_code(code)
}

/// A row of the report; `error` says more where `status` is 12 or the like. `None`: a status nobody knows, which
/// changes nothing.
pub(super) fn of_status(status: &str, error: &str) -> Option<MessageState> {
    let failed = |failure: Failure| {
        let code =
            if error.is_empty() || error == "0" { status.to_owned() } else { format!("{status}/{error}") };
        Some(MessageState::Failed(failure.vendor_code(code)))
    };
    match status {
        "0" => Some(MessageState::Sent),
        "1" => Some(MessageState::Delivered),
        "2" => failed(Failure::rejected("expired", "not delivered in time")),
        "3" => failed(Failure::rejected("recipient_invalid", "an invalid or restricted number")),
        "4" => failed(Failure::rejected("not_delivered", "not handed to the operator")),
        "11" => failed(Failure::rejected("operator_refused", "refused by the operator")),
        "12" => failed(of_error(error)),
        "13" => failed(Failure::rejected(DUPLICATE, "the same text went to this number within the hour")),
        "14" => failed(insufficient_balance("the account has no credit left")),
        "15" => failed(Failure::rejected(OPTED_OUT, "the number is on the blacklist")),
        "16" => failed(Failure::rejected(OPTED_OUT, "İYS has no consent of this recipient")),
        "17" => failed(Failure::retryable("iys_failed", "İYS could not be asked")),
        // "Not allowed abroad" by one source, "expired" by another.
        "22" => failed(Failure::rejected("not_delivered", "not allowed abroad, or expired")),
        "103" => failed(Failure::rejected("not_delivered", "the whole job failed")),
        _ => None,
    }
}

fn of_error(error: &str) -> Failure {
    let (code, words) = match error {
        "101" => ("mailbox_full", "the phone's memory is full"),
        "102" => ("recipient_unreachable", "the phone is off or out of coverage"),
        "103" => ("recipient_unreachable", "the phone is busy"),
        "104" => ("recipient_invalid", "the line is not active"),
        "105" => ("recipient_invalid", "a wrong number"),
        "106" => ("recipient_refused", "SMS refused or on the operator's blacklist"),
        "111" => ("expired", "not delivered in time"),
        "112" => ("recipient_refused", "the line is closed to SMS"),
        "113" => ("recipient_refused", "the phone does not support it"),
        "114" => ("not_delivered", "forwarding failed"),
        "115" => ("recipient_refused", "the line is barred"),
        "116" => ("recipient_invalid", "an unknown subscriber"),
        "117" => ("recipient_invalid", "an illegal subscriber"),
        "119" => ("vendor_failed", "a system error"),
        _ => ("not_delivered", "a delivery error"),
    };
    Failure::rejected(code, words)
}
