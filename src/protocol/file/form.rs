//! The members of a protocol's file, for serde.

use std::fmt;

use serde::{
    Deserialize, Serialize,
    de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
    ser::Serializer,
};

use crate::protocol::{
    file::{
        codes::Codes,
        many::{Element, Many},
    },
    final_response::FinalResponse,
    status_rule::MissingStatus,
};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "the description of a protocol")]
pub(super) struct ProtocolForm {
    /// For editors, which find the schema by it; otherwise ignored.
    #[serde(rename = "$schema", default, skip_serializing)]
    pub(super) _schema: Option<String>,
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Many::is_empty")]
    pub(super) succeeded: Many<String>,
    #[serde(default, skip_serializing_if = "Many::is_empty")]
    pub(super) failed: Many<String>,
    #[serde(default, skip_serializing_if = "Many::is_empty")]
    pub(super) canceled: Many<String>,
    #[serde(default, skip_serializing_if = "Many::is_empty")]
    pub(super) running: Many<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) needs_respond_async: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) final_response: Option<FinalResponse>,
    #[serde(default, skip_serializing_if = "Many::is_empty")]
    pub(super) resource_at: Many<PlaceForm>,
    #[serde(default, skip_serializing_if = "Many::is_empty")]
    pub(super) allows: Many<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) trusts: Vec<TrustForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cancel: Option<CancelForm>,
    // Tables, and therefore last: TOML requires plain members first.
    #[serde(default)]
    pub(super) announced: Vec<StartForm>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table of `from` and `to`")]
pub(super) struct TrustForm {
    pub(super) from: Many<String>,
    pub(super) to: Many<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table of `method` and `template`")]
pub(super) struct CancelForm {
    pub(super) method: String,
    pub(super) template: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<String>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table that says how an operation is announced")]
pub(super) struct StartForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) by_header: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) by_name_header: Option<NameHeaderForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) by_link: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) by_relation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) by_body: Option<NameForm>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) at_request_uri: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) statuses: Option<Codes>,
    #[serde(default, skip_serializing_if = "Many::is_empty")]
    pub(super) methods: Many<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) requires_header: Option<String>,
    #[serde(default, skip_serializing_if = "Many::is_empty")]
    pub(super) unless_terminal: Many<String>,
    #[serde(default, skip_serializing_if = "Many::is_empty")]
    pub(super) unless_terminal_or_missing: Many<String>,
    #[serde(default, skip_serializing_if = "Many::is_empty")]
    pub(super) unless_present: Many<String>,
    #[serde(default, skip_serializing_if = "Many::is_empty")]
    pub(super) unless_true: Many<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) default_for_resume: bool,
    #[serde(default)]
    pub(super) status: StatusForm,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table of `header` and `template`")]
pub(super) struct NameHeaderForm {
    pub(super) header: String,
    pub(super) template: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table of `pointer` and `template`")]
pub(super) struct NameForm {
    pub(super) pointer: String,
    pub(super) template: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) name_contains: String,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table that says how the monitor answers")]
pub(super) struct StatusForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) status_header: Option<String>,
    #[serde(default, skip_serializing_if = "Many::is_empty")]
    pub(super) status_at: Many<StatusAtForm>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) http_status_only: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) when_status_missing: Option<MissingStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) final_error_statuses: Option<Codes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) success_statuses: Option<Codes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retryable_statuses: Option<Codes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) result_redirects: Option<Codes>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) result_may_be_missing: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) fixed_uri: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) relocated_by: Option<RelocationForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) outcome_header: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) unwrap_application_http: bool,
    #[serde(default, skip_serializing_if = "Many::is_empty")]
    pub(super) percent_at: Many<PercentForm>,
    #[serde(default, skip_serializing_if = "Many::is_empty")]
    pub(super) failure_at: Many<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a table of `header` and `statuses`")]
pub(super) struct RelocationForm {
    pub(super) header: String,
    /// Any status, if it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) statuses: Option<Codes>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// A plain pointer, or a table with one member, whose key gives another kind.
macro_rules! pointer_or {
    (
        $(#[$documentation:meta])*
        $name:ident, $tagged:ident, $expected:literal, $plain:ident, $($(#[$rename:meta])? $variant:ident),+
    ) => {
        $(#[$documentation])*
        #[derive(Debug, PartialEq)]
        pub(super) enum $name {
            $plain(String),
            Tagged($tagged),
        }

        #[derive(Debug, Deserialize, PartialEq, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub(super) enum $tagged {
            $($(#[$rename])? $variant(String)),+
        }

        impl Element for $name {
            const EXPECTED: &'static str = $expected;
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    Self::$plain(text) => serializer.serialize_str(text),
                    Self::Tagged(tagged) => tagged.serialize(serializer),
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Either;

                impl<'de> Visitor<'de> for Either {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($name::EXPECTED)
                    }

                    fn visit_str<E>(self, text: &str) -> Result<$name, E> {
                        Ok($name::$plain(text.to_owned()))
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let tagged = $tagged::deserialize(MapAccessDeserializer::new(&mut map))?;
                        // Not every format complains about what nobody reads.
                        match map.next_key::<IgnoredAny>()? {
                            None => Ok($name::Tagged(tagged)),
                            Some(_) => Err(A::Error::invalid_length(2, &self)),
                        }
                    }
                }

                deserializer.deserialize_any(Either)
            }
        }
    };
}

pointer_or! {
    /// The place of a status.
    StatusAtForm, StatusKind,
    "a JSON pointer, or a table of one of `scalar`, `true`, `present` and `absent`, and a JSON pointer",
    String, Scalar, True, Present, Absent
}

pointer_or! {
    /// The place of a percentage.
    PercentForm, PercentKind, "a JSON pointer, or a table of `fraction` and a JSON pointer",
    Percent, Fraction
}

pointer_or! {
    /// The place of the resource.
    PlaceForm, PlaceKind, "a JSON pointer, or a table of `link` and a relation, or of `template` and a template",
    Member, Link, Template
}
