//! Who e-mails are from, at providers where the granted account itself sends.

use super::message::Origin;
use crate::address::Mailbox;
use crate::connector::Cx;
use crate::failure::{Failure, Reason};
use crate::manifest::{Field, FieldKind, Part, Text};

pub(super) const FROM_ADDRESS: Field = Field {
    key: "from_address",
    part: Part::Settings,
    kind: FieldKind::Email,
    required: false,
    label: Text { en: "Sender address", tr: "Gönderen adresi" },
    help: Text {
        en: "Left empty, the account's own address. Another one must be set up in the account as an address that it \
             may send from.",
        tr: "Boş bırakılırsa hesabın kendi adresi kullanılır. Başka bir adres yazacaksanız hesapta gönderim adresi \
             olarak tanımlı olmalıdır.",
    },
    sample: "satis@firma.com.tr",
    default: None,
};

pub(super) const FROM_NAME: Field = Field {
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

pub(super) const REPLY_TO: Field = Field {
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

/// Who a message is from, by the connection's settings and its account.
pub(super) fn origin<'a>(cx: &Cx<'a>) -> Result<Origin<'a>, Failure> {
    let invalid = |what: &str| {
        Failure::misconfigured(
            Reason::Misconfigured,
            "settings_invalid",
            format!("the connection's {what} is missing or malformed"),
        )
    };
    let address = cx.settings.get("from_address").or_else(|| cx.credentials.get("account"));
    let address = address.and_then(|address| address.parse().ok()).ok_or_else(|| invalid("from_address"))?;
    let reply_to = cx.settings.get("reply_to").map(str::parse::<Mailbox>).transpose();
    Ok(Origin {
        from: Mailbox { name: cx.settings.get("from_name").map(str::to_owned), address },
        reply_to: reply_to.map_err(|_| invalid("reply_to"))?,
        message_id: cx.idempotency_key,
        now: cx.now,
    })
}
