//! Schemas of rows, requests and parameters, from the columns of the tables.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use tallybook::SqlType;
use tallybook::tables::{Include, Table};

use crate::endpoint::{Parameter, Success};
use crate::request::field::Field;
use crate::resource::Resource;

/// A decimal in a request: up to 15 significant digits, which every column of the book holds.
const NEW_DECIMAL: &str =
    r"^-?([0-9]{1,9}(\.[0-9]{1,6})?|[0-9]{1,12}(\.[0-9]{1,3})?|[0-9]{1,15}|[0-9]{1,5}\.[0-9]{1,10})$";
/// The same, above zero.
const NEW_AMOUNT: &str = r"^([1-9][0-9]{0,8}(\.[0-9]{1,6})?|0\.[0-9]{0,9}[1-9])$";
const DECIMAL: &str = r"^-?[0-9]+(\.[0-9]+)?$";
/// Texts that the databases store.
const TEXT: &str = r"^[^\u0000]*$";
/// Texts with something to see.
const NOT_BLANK: &str = r"^[^\u0000]*[!-~][^\u0000]*$";

/// Returns a reference to a schema of the document.
pub(crate) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// Returns the schema of many rows.
pub(crate) fn rows(name: &str) -> Value {
    json!({
        "type": "object",
        "required": ["rows"],
        "properties": { "rows": { "type": "array", "items": reference(name) } },
    })
}

/// Returns the schema of a page.
pub(crate) fn page(name: &str) -> Value {
    json!({
        "type": "object",
        "required": ["rows", "next"],
        "properties": {
            "rows": { "type": "array", "items": reference(name) },
            "next": { "type": ["string", "null"], "description": "The cursor of the next page; null on the last one." },
        },
    })
}

/// Returns the schema of a comma-separated list of words.
pub(crate) fn list_of_words(words: &[String]) -> Value {
    let word = format!("({})", words.join("|").replace('.', "\\."));
    json!({ "type": "string", "pattern": format!("^({word}(,{word})*)?$"), "examples": [words.join(",")] })
}

/// Returns the schema of a value. `is_new` for a request, whose values are stored.
fn value(field: &Field, is_new: bool) -> Value {
    let mut schema = match field.sql_type {
        SqlType::Bool => json!({ "type": "boolean" }),
        SqlType::Int if is_new => json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX }),
        SqlType::Int => json!({ "type": "integer", "format": "int64" }),
        SqlType::Decimal | SqlType::Numeric if is_new && field.is_above_zero => {
            json!({ "type": "string", "pattern": NEW_AMOUNT })
        }
        SqlType::Decimal | SqlType::Numeric if is_new => json!({ "type": "string", "pattern": NEW_DECIMAL }),
        SqlType::Decimal | SqlType::Numeric => json!({ "type": "string", "pattern": DECIMAL }),
        SqlType::Timestamp => json!({ "type": "string", "format": "date-time" }),
        _ => {
            let mut text = json!({ "type": "string" });
            if is_new {
                text["pattern"] = if field.is_blank_refused { NOT_BLANK } else { TEXT }.into();
                text["maxLength"] = field.max.into();
            }
            text
        }
    };
    let object = schema.as_object_mut().expect("a schema is an object");
    object.retain(|_, value| !value.is_null());
    if field.nullable {
        let one = std::mem::take(object);
        object.insert("anyOf".to_owned(), json!([one, { "type": "null" }]));
    }
    let mut docs = field.docs.trim().to_owned();
    if !field.words.is_empty() {
        // No `enum`: words that are not known yet are carried through.
        let known = format!("Known words: {}.", field.words.join(", "));
        docs = format!("{docs} {known}").trim().to_owned();
        object.insert("examples".to_owned(), json!(field.words));
    }
    if !docs.is_empty() {
        object.insert("description".to_owned(), docs.into());
    }
    schema
}

/// Returns the schema of a parameter that is compared with a column.
pub(crate) fn parameter(field: &Field) -> Value {
    let mut schema = value(&Field { nullable: false, docs: "", ..*field }, field.sql_type != SqlType::Int);
    if let Some(object) = schema.as_object_mut() {
        object.remove("description");
    }
    schema
}

/// Returns the schema of an object with these fields.
pub(crate) fn object<'f>(fields: impl IntoIterator<Item = &'f Field>, is_new: bool) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields {
        properties.insert(field.name.to_owned(), value(field, is_new));
        if field.is_required || !is_new {
            required.push(field.name);
        }
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if is_new {
        schema["additionalProperties"] = false.into();
    }
    schema
}

/// Returns the schema of a row, with the relations that clients may include.
pub(crate) fn row<T: Resource>(relations: &[(&str, &str)]) -> Value {
    let fields: Vec<_> = Field::of::<T>().collect();
    let mut schema = object(&fields, false);
    let is_described = |path: &String| relations.iter().any(|(name, _)| path.starts_with(name));
    assert!(Include::<T::View>::paths().iter().all(is_described), "each relation of {} has a schema", T::ROW);
    for (name, of) in relations {
        let docs = "Present if `include` names it.";
        schema["properties"][*name] = json!({ "type": "array", "items": reference(of), "description": docs });
    }
    schema["description"] = format!("A row of the table `{}`.", <T as Table>::NAME).into();
    schema
}

/// The parameter `{id}` of a path.
pub(crate) fn id_parameter() -> Parameter {
    Parameter {
        name: "id",
        place: "path",
        is_required: true,
        docs: "The identifier of the row.".to_owned(),
        schema: json!({ "type": "integer", "format": "int64" }),
    }
}

/// The headers of a read.
pub(crate) fn reading_headers() -> [Parameter; 2] {
    let known = Parameter {
        name: "If-None-Match",
        place: "header",
        is_required: false,
        docs: "The `ETag` of what the client has; the answer is 304 if it is still the same.".to_owned(),
        schema: json!({ "type": "string", "pattern": r#"^(\*|(W/)?"[0-9a-f]{32}")$"# }),
    };
    let [token] = token_header();
    [known, token]
}

/// The header of a read that sees the client's own writes.
pub(crate) fn token_header() -> [Parameter; 1] {
    [Parameter {
        name: "X-Tallybook-Token",
        place: "header",
        is_required: false,
        docs: "The header of the same name from the answer of a write: the read sees that write, whichever server it runs on."
            .to_owned(),
        schema: json!({ "type": "string", "pattern": r"^(nothing|unknown|[0-9]{1,18}\.[0-9]{1,9}\.[0-9A-F]{1,15})$" }),
    }]
}

/// The header of a change to a row that the client has read.
pub(crate) fn match_header() -> Parameter {
    Parameter {
        name: "If-Match",
        place: "header",
        is_required: false,
        docs: "The `ETag` of the row as the client knows it; the answer is 412 if it was changed since."
            .to_owned(),
        schema: json!({ "type": "string", "pattern": r#"^(\*|"[0-9a-f]{32}")$"# }),
    }
}

/// The name of the header that makes a request repeatable.
pub(crate) const KEY_HEADER: &str = "Idempotency-Key";

/// The header that makes a request repeatable.
pub(crate) fn key_header(is_required: bool) -> Parameter {
    Parameter {
        name: KEY_HEADER,
        place: "header",
        is_required,
        docs: "A text of the client's own for each new request. The same request with the same key is done once, and answered \
            alike for 24 hours."
            .to_owned(),
        schema: json!({ "type": "string", "pattern": "^[!#-~]{1,255}$" }),
    }
}

/// The answer to a client that has it already.
pub(crate) fn not_modified() -> Success {
    Success {
        status: StatusCode::NOT_MODIFIED,
        docs: "The client has it already",
        body: None,
        headers: &["ETag"],
    }
}
