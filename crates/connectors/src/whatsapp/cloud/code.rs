//! Meta's codes and what they mean,
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes>.

use std::time::Duration;

use serde_json::Value;

use crate::call::{Answer, Effect, insufficient_balance, misconfigured, rejected_credentials, word};
use crate::connector::Cx;
use crate::failure::{Failure, OPTED_OUT, OUTSIDE_WINDOW};
use crate::words::of_vendor;

/// One message to the same person in about six seconds.
const PAIR_WAIT: Duration = Duration::from_secs(6);
/// Too many recipients have complained; it lasts hours.
const SPAM_WAIT: Duration = Duration::from_hours(1);

/// What an answer with an `error` in it means: by its code, else by its status.
pub(super) fn of_answer(cx: &Cx<'_>, answer: &Answer, json: &Value, effect: Effect) -> Failure {
    let Some((code, words)) = json.get("error").and_then(error) else { return answer.by_status(cx, effect) };
    let failure = match of(&code, &of_vendor(cx, &words)) {
        Some(failure) => failure,
        // A code of a later day. What it is about, the status at least tells roughly.
        None => {
            let by_status = answer.by_status(cx, effect);
            Failure { detail: of_vendor(cx, &words), ..by_status }.vendor_code(code)
        }
    };
    match answer.wait(cx) {
        Some(wait) => failure.after(wait),
        None => failure,
    }
}

/// Code and words of an error object, in an answer or in a receipt.
pub(super) fn error(error: &Value) -> Option<(String, String)> {
    let code = word(error.get("code")?).filter(|code| code.len() <= 10)?;
    let text = |path: &str| error.pointer(path).and_then(word);
    let words = text("/error_data/details").or_else(|| text("/message")).or_else(|| text("/title"));
    let trace = text("/fbtrace_id").map(|trace| format!(" (fbtrace_id {trace})"));
    Some((code, format!("{}{}", words.unwrap_or_default(), trace.unwrap_or_default())))
}

/// `None` for a code that no table has.
pub(super) fn of(code: &str, words: &str) -> Option<Failure> {
    let number: u32 = code.parse().ok()?;
    let failure = match number {
        0 | 190 => rejected_credentials(words),
        3 | 10 | 200..=299 | 131_005 => misconfigured("permission_missing", words),
        4 | 80_007 | 130_429 | 131_064 | 133_016 => Failure::rate_limited("rate_limited", words, None),
        131_048 => Failure::rate_limited("spam_limited", words, Some(SPAM_WAIT)),
        // About this recipient alone: others need not wait.
        131_056 => Failure::retryable("recipient_too_often", words).after(PAIR_WAIT),
        368 | 131_031 => misconfigured("account_suspended", words),
        131_045 | 131_037 | 133_010 => misconfigured("sender_not_registered", words),
        130_497 | 131_063 => misconfigured("country_not_allowed", words),
        131_042 => insufficient_balance(words),
        // Held back by Meta for this person's sake; again only after a day.
        130_472 | 131_049 => Failure::rejected("recipient_spared", words),
        131_050 => Failure::rejected(OPTED_OUT, words),
        131_026 => Failure::rejected("recipient_unreachable", words),
        131_021 => Failure::rejected("recipient_is_sender", words),
        131_030 => Failure::rejected("recipient_not_allowed", words),
        131_047 => Failure::rejected(OUTSIDE_WINDOW, words),
        132_000 | 132_012 | 132_018 => Failure::rejected("template_variables_wrong", words),
        132_001 => Failure::rejected("template_unknown", words),
        132_005 => Failure::rejected("text_too_long", words),
        132_007 => Failure::rejected("template_policy", words),
        132_015 => Failure::rejected("template_paused", words),
        132_016 => Failure::rejected("template_disabled", words),
        132_068 | 132_069 => Failure::rejected("template_flow", words),
        100 | 131_008 | 131_009 | 131_051 | 131_052 | 131_053 | 132_008 | 137_000 => {
            Failure::rejected("request_refused", words)
        }
        1 | 2 | 131_000 | 131_016 | 131_057 | 135_000 => Failure::retryable("vendor_failed", words),
        _ => return None,
    };
    Some(failure.vendor_code(code))
}

/// The error of a message that did not arrive; an unknown code is still a failure.
pub(super) fn of_message(errors: Option<&Value>) -> Failure {
    let told = errors.and_then(|errors| error(errors.get(0)?));
    match told {
        Some((code, words)) => {
            let words: String = words.chars().filter(|c| !c.is_control()).take(300).collect();
            let unknown = || Failure::rejected("not_delivered", words.clone()).vendor_code(code.clone());
            of(&code, &words).unwrap_or_else(unknown)
        }
        None => Failure::rejected("not_delivered", "no reason was told"),
    }
}
