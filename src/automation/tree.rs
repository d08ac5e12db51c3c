//! The data of an event as templates see it: a tree whose parts cost nothing to compare and cannot be multiplied.
//!
//! The engine's own lists repeat, compare and print without counting what lies beneath their items; a template of
//! one line could keep a processor busy for hours. These lists tell repetition no length, so that it refuses them, and are equal only to themselves, so that a comparison looks at two addresses.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Reads JSON into a template value.
pub fn read(json: &str) -> Option<Value> {
    serde_json::from_str::<Tree>(json).ok().map(|tree| tree.0)
}

/// The number of items, when the value is a list of the event's data.
pub fn length(value: &Value) -> Option<usize> {
    value.downcast_object_ref::<List>().map(|list| list.0.len())
}

#[derive(Debug)]
struct List(Vec<Value>);

#[derive(Debug)]
struct Fields(BTreeMap<String, Value>);

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let at = match key.as_usize() {
            Some(at) => at,
            // From the end.
            None => self.0.len().checked_sub(usize::try_from(key.as_i64()?.unsigned_abs()).ok()?)?,
        };
        self.0.get(at).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }

    /// Loops learn the length from [`Self::enumerate`]; repetition asks here and is refused.
    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        None
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !self.0.is_empty()
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        other.downcast_ref::<Self>().map(|other| address(&**self).cmp(&address(other)))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl Object for Fields {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|key| Value::from(key.as_str())).collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        other.downcast_ref::<Self>().map(|other| address(&**self).cmp(&address(other)))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.0).finish()
    }
}

fn address<T>(object: &T) -> usize {
    std::ptr::from_ref(object).addr()
}

struct Tree(Value);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Grow).map(Tree)
    }
}

struct Grow;

impl<'de> Visitor<'de> for Grow {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::from(()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Tree(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::from_object(List(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((key, Tree(value))) = map.next_entry()? {
            fields.insert(key, value);
        }
        Ok(Value::from_object(Fields(fields)))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::super::render::{Escape, Renderer};
    use super::super::testing::scope_with;

    #[rstest]
    #[case("{{ data.tags|join(', ') }}", "vip, yeni")]
    #[case("{{ data.tags|length }} {{ data.tags|count }} {{ data|length }} {{ 'şş'|length }}", "2 2 4 2")]
    #[case(
        "{{ data.tags[0] }} {{ data.tags[-1] }} {{ data.tags|first }} {{ data.tags|last }}",
        "vip yeni vip yeni"
    )]
    #[case("{{ data.tags|reverse|join(',') }} {{ data.tags|sort|join(',') }}", "yeni,vip vip,yeni")]
    #[case("{{ data.tags[0:1]|join }} {{ data.tags|list|length }}", "vip 2")]
    #[case("{{ data.items|map(attribute='name')|join('+') }}", "Masa+Koltuk")]
    #[case(
        "{% for item in data.items %}{{ loop.index }}/{{ loop.length }} {{ item.name }}{% if not loop.last %}, {% endif %}{% endfor %}",
        "1/2 Masa, 2/2 Koltuk"
    )]
    #[case(
        "{% for key, value in data.customer|items %}{{ key }}={{ value }} {% endfor %}",
        "city=İzmir name=Ayşe "
    )]
    #[case(
        "{{ 'vip' in data.tags }} {{ 'name' in data.customer }} {{ data.tags == ['vip', 'yeni'] }}",
        "True True True"
    )]
    #[case(
        "{% if data.empty %}a{% else %}b{% endif %}{% for x in data.empty %}{% else %}c{% endfor %}",
        "bc"
    )]
    #[case("{{ data.items[1].price * 2 }} {{ data.items|sum(attribute='price') }}", "5.0 4.5")]
    #[case("{{ data.tags }} {{ data.tags|tojson }}", "['vip', 'yeni'] [\"vip\", \"yeni\"]")]
    fn data_behaves_as_lists_and_maps(#[case] source: &str, #[case] expected: &str) {
        let data = json!({"tags": ["vip", "yeni"], "items": [{"name": "Masa", "price": 2}, {"name": "Koltuk", "price": 2.5}],
            "customer": {"name": "Ayşe", "city": "İzmir"}, "empty": []});
        let result = Renderer::shared().render_str(source, Escape::Text, &scope_with("tr", &data));
        assert_eq!(result.as_deref(), Ok(expected), "{source}");
    }

    #[test]
    fn lists_are_not_multiplied() {
        let scope = scope_with("tr", &json!({"tags": ["vip"]}));
        assert!(Renderer::shared().render_str("{{ data.tags * 3 }}", Escape::Text, &scope).is_err());
    }
}
