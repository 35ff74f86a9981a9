//! What the OpenAPI document is made of: operations, parameters and answers, in the few shapes that dialects need.
//!
//! Each dialect describes its paths in its `openapi.rs`, with the schemas of its wire types (`ToSchema`); the server puts the
//! pieces together. Texts are CommonMark. Statuses of refusals are not written down a second time: they come from the table by
//! which the dialect answers.

pub mod schemas;

pub use utoipa;

use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::link::Link;
use utoipa::openapi::path::{self, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::ArrayBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{Components, Content, Info, Paths, Ref, RefOr, Required, Response, Schema};
pub use utoipa::openapi::{HttpMethod, OpenApi};
use valetkey_model::Refusal;

/// The media type of JSON.
pub const JSON: &str = "application/json";
/// The media type of a problem.
pub const PROBLEM: &str = "application/problem+json";
/// Any media type: that of the object.
pub const ANY: &str = "*/*";

/// The name of the security scheme `Authorization: Bearer`.
pub const BEARER: &str = "bearer";
/// The name of the security scheme `X-API-Key`.
pub const API_KEY: &str = "apiKey";
/// The name of the security scheme `Authorization: Basic`.
pub const BASIC: &str = "basic";

/// One dialect's piece of the document.
pub struct Piece {
    tag: String,
    description: String,
    paths: Paths,
    components: Components,
}

impl Piece {
    /// A piece without paths. The tag is unique in the document.
    pub fn new(tag: &str, description: &str) -> Self {
        let (paths, components) = (Paths::new(), Components::new());
        Self { tag: tag.to_owned(), description: prose(description), paths, components }
    }

    /// With an operation.
    #[must_use]
    pub fn operation(mut self, method: HttpMethod, path: &str, operation: Operation) -> Self {
        for (name, schema) in operation.schemas {
            let before = self.components.schemas.insert(name, schema.clone());
            debug_assert!(before.is_none_or(|before| before == schema), "a schema's name stands for another one, too");
        }
        for (name, response) in operation.shared {
            let response = RefOr::T(response);
            let before = self.components.responses.insert(name, response.clone());
            debug_assert!(before.is_none_or(|before| before == response), "an answer's name stands for another one, too");
        }
        let mut described = operation.inner;
        described.tags = Some(vec![self.tag.clone()]);
        self.paths.add_path_operation(path, vec![method], described);
        self
    }

    /// With an operation that answers HEAD as it answers GET.
    #[must_use]
    pub fn get_and_head(self, path: &str, operation: Operation) -> Self {
        let head = operation.clone().head();
        self.operation(HttpMethod::Get, path, operation).operation(HttpMethod::Head, path, head)
    }

    /// The piece as a document, whose `info` says nothing.
    pub fn finish(self) -> OpenApi {
        let tag = TagBuilder::new().name(self.tag).description(Some(self.description)).build();
        let mut piece = OpenApi::new(Info::default(), self.paths);
        piece.tags = Some(vec![tag]);
        piece.components = Some(self.components);
        piece
    }
}

/// One operation under description.
#[derive(Clone)]
pub struct Operation {
    inner: path::Operation,
    schemas: Vec<(String, RefOr<Schema>)>,
    shared: BTreeMap<String, Response>,
}

impl Operation {
    /// An operation without parameters and answers. `id` is unique in the document.
    pub fn new(id: &str, summary: &str, description: &str) -> Self {
        let mut inner = path::Operation::new();
        inner.operation_id = Some(id.to_owned());
        inner.summary = Some(summary.to_owned());
        inner.description = Some(prose(description)).filter(|text| !text.is_empty());
        Self { inner, schemas: Vec::new(), shared: BTreeMap::new() }
    }

    /// For who presents a credential of one of these kinds, which has every one of these scopes.
    #[must_use]
    pub fn for_holders_of(mut self, schemes: &[&str], scopes: &[&str]) -> Self {
        let requirements = schemes.iter().map(|scheme| SecurityRequirement::new(*scheme, scopes.iter().copied()));
        self.inner.security = Some(requirements.collect());
        self
    }

    /// And for who presents none: the credential can stand in the body.
    #[must_use]
    pub fn also_for_anybody(mut self) -> Self {
        self.inner.security.get_or_insert_default().push(SecurityRequirement::default());
        self
    }

    /// With parameters.
    #[must_use]
    pub fn parameters(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.inner.parameters.get_or_insert_default().extend(parameters.into_iter().map(RefOr::from));
        self
    }

    /// With a JSON body.
    #[must_use]
    pub fn json<T: ToSchema>(self, description: &str, required: bool, example: Value) -> Self {
        self.fields::<T>(JSON, description, required, example)
    }

    /// With a body of this media type whose fields are those of `T`.
    #[must_use]
    pub fn fields<T: ToSchema>(mut self, media_type: &str, description: &str, required: bool, example: Value) -> Self {
        let mut content = Content::new(Some(reference::<T>(&mut self.schemas)));
        content.example = Some(example);
        self.body(media_type, description, required, content)
    }

    /// With a body of any bytes, which may be none.
    #[must_use]
    pub fn bytes(self, description: &str) -> Self {
        self.body("application/octet-stream", description, false, Content::default())
    }

    fn body(mut self, media_type: &str, description: &str, required: bool, content: Content) -> Self {
        let required = if required { Required::True } else { Required::False };
        let body = RequestBodyBuilder::new().description(Some(prose(description))).required(Some(required));
        self.inner.request_body = Some(body.content(media_type, content).build().into());
        self
    }

    /// With an answer.
    #[must_use]
    pub fn answer(mut self, status: u16, answer: Answer) -> Self {
        let Answer { response, name, schemas } = answer;
        self.schemas.extend(schemas);
        let response = match name {
            Some(name) => {
                let reference = Ref::from_response_name(&name);
                self.shared.insert(name, response);
                reference.into()
            }
            None => response.into(),
        };
        self.inner.responses.responses.insert(status.to_string(), response);
        self
    }

    /// With answers.
    #[must_use]
    pub fn answers(self, answers: impl IntoIterator<Item = (u16, Answer)>) -> Self {
        answers.into_iter().fold(self, |operation, (status, answer)| operation.answer(status, answer))
    }

    fn head(mut self) -> Self {
        self.inner.operation_id = self.inner.operation_id.map(|id| format!("{id}Head"));
        self.inner.summary = self.inner.summary.map(|summary| format!("{summary}: the head alone"));
        self.inner.description = Some("As GET, without the body.".to_owned());
        self
    }
}

/// One answer under description.
#[derive(Clone)]
pub struct Answer {
    response: Response,
    name: Option<String>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Answer {
    /// An answer without a body.
    pub fn empty(description: &str) -> Self {
        Self { response: Response::new(prose(description)), name: None, schemas: Vec::new() }
    }

    /// A JSON answer.
    pub fn json<T: ToSchema>(description: &str) -> Self {
        Self::empty(description).also::<T>(JSON)
    }

    /// A problem.
    pub fn problem(description: &str) -> Self {
        Self::empty(description).also::<schemas::Problem>(PROBLEM)
    }

    /// An answer of this media type, of which no more is said.
    pub fn of(media_type: &str, description: &str) -> Self {
        Self::empty(description).or(media_type)
    }

    /// Or a body of this media type instead, by the schema of `T`.
    #[must_use]
    pub fn also<T: ToSchema>(mut self, media_type: &str) -> Self {
        let schema = reference::<T>(&mut self.schemas);
        self.response.content.insert(media_type.to_owned(), Content::new(Some(schema)).into());
        self
    }

    /// Or a body of this media type instead.
    #[must_use]
    pub fn or(mut self, media_type: &str) -> Self {
        self.response.content.insert(media_type.to_owned(), Content::default().into());
        self
    }

    /// With a field that is always there.
    #[must_use]
    pub fn with_header<T: ToSchema>(self, name: &str, description: &str) -> Self {
        // utoipa has no field for what OpenAPI calls `required` of a header.
        self.header::<T>(name, description, Some([("required", true)].into_iter().collect()))
    }

    /// With a field that may be there.
    #[must_use]
    pub fn may_have_header<T: ToSchema>(self, name: &str, description: &str) -> Self {
        self.header::<T>(name, description, None)
    }

    fn header<T: ToSchema>(mut self, name: &str, description: &str, extensions: Option<Extensions>) -> Self {
        let header = HeaderBuilder::new().schema(Some(T::schema())).description(Some(description)).extensions(extensions);
        self.response.headers.insert(name.to_owned(), header.build().into());
        self
    }

    /// With a link: parameters of another operation that stand in this answer.
    #[must_use]
    pub fn link(mut self, operation_id: &str, parameters: &[(&str, &str)]) -> Self {
        let link = parameters
            .iter()
            .fold(Link::builder().operation_id(operation_id), |link, (name, expression)| link.parameter(*name, *expression));
        self.response.links.insert(operation_id.to_owned(), link.build().into());
        self
    }

    /// The same answer of several operations, which stands once among the components. The name is unique in the document.
    #[must_use]
    pub fn shared_as(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }
}

fn reference<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) -> RefOr<Schema> {
    T::schemas(schemas);
    // What has no name of its own stands where it is used.
    let name = T::name();
    match T::schema() {
        schema @ RefOr::Ref(_) => schema,
        schema @ RefOr::T(Schema::Array(_)) => schema,
        schema => {
            schemas.push((name.to_string(), schema));
            Ref::from_schema_name(name).into()
        }
    }
}

/// A part of the path.
pub fn path<T: ToSchema>(name: &str, description: &str) -> Parameter {
    parameter::<T>(ParameterIn::Path, name, description).required(Required::True).build()
}

/// A parameter of the query that may be left out.
pub fn query<T: ToSchema>(name: &str, description: &str) -> Parameter {
    parameter::<T>(ParameterIn::Query, name, description).build()
}

/// A parameter that may be left out, but not in the example of a call.
pub fn in_example(mut parameter: Parameter) -> Parameter {
    parameter.extensions = Some([("x-in-example", true)].into_iter().collect());
    parameter
}

/// A parameter of the query that may stand several times.
pub fn queries<T: ToSchema>(name: &str, description: &str) -> Parameter {
    let parameter = parameter::<T>(ParameterIn::Query, name, description);
    parameter.schema(Some(ArrayBuilder::new().items(T::schema()))).build()
}

/// A request's field that may be left out.
pub fn header<T: ToSchema>(name: &str, description: &str) -> Parameter {
    parameter::<T>(ParameterIn::Header, name, description).build()
}

/// A request's field that must be there.
pub fn required_header<T: ToSchema>(name: &str, description: &str) -> Parameter {
    parameter::<T>(ParameterIn::Header, name, description).required(Required::True).build()
}

fn parameter<T: ToSchema>(place: ParameterIn, name: &str, description: &str) -> ParameterBuilder {
    let parameter = ParameterBuilder::new().name(name).parameter_in(place).required(Required::False);
    parameter.description(Some(prose(description))).schema(Some(T::schema()))
}

/// What a request for an object's bytes may say about parts and preconditions.
pub fn reading() -> [Parameter; 7] {
    [
        header::<schemas::Text>(
            "Range",
            "Parts of the object (RFC 9110 §14): `bytes=0-99`, several, open ended, or the last so many.",
        ),
        header::<schemas::Text>("If-Range", "Parts only if the object still has this strong entity tag, else all of it."),
        header::<schemas::Text>("If-Match", "Entity tags; 412 if the object has none of them."),
        header::<schemas::Text>("If-None-Match", "Entity tags; 304 if the object has one of them."),
        header::<schemas::Text>("If-Modified-Since", "An HTTP date; 304 if the object has not changed since."),
        header::<schemas::Text>("If-Unmodified-Since", "An HTTP date; 412 if the object has changed since."),
        header::<schemas::Text>(
            "Want-Repr-Digest",
            "If it is there, the answer has `Repr-Digest` with the object's SHA-256 (RFC 9530).",
        ),
    ]
}

/// What an upload may say of its bytes.
pub fn writing() -> [Parameter; 6] {
    [
        header::<schemas::Text>("If-Match", "Entity tags of the object to be replaced, or `*`; 412 if it has none of them."),
        header::<schemas::Text>("If-None-Match", "`*`: only where there is no object yet; else 412."),
        header::<schemas::Text>("Content-Disposition", "Its `filename` becomes the name that downloads are saved under."),
        header::<schemas::Md5Base64>("Content-MD5", "The MD5 that the bytes must have, in base64 (RFC 1864)."),
        header::<schemas::Text>(
            "Content-Digest",
            "`sha-256=:…:`, the SHA-256 that the bytes must have (RFC 9530). Other algorithms are ignored.",
        ),
        header::<schemas::Text>("Repr-Digest", "As `Content-Digest`."),
    ]
}

/// The fields of an answer that has an object's bytes.
#[must_use]
pub fn describing_an_object(answer: Answer) -> Answer {
    answer
        .with_header::<schemas::ETag>("ETag", "The entity tag, strong: another for each content.")
        .with_header::<schemas::Text>("Last-Modified", "When the content was stored, as an HTTP date.")
        .with_header::<schemas::Text>("Accept-Ranges", "`bytes`")
        .with_header::<schemas::Text>("Content-Disposition", "Save or show, and the file name (RFC 6266).")
        .with_header::<schemas::Text>("Cache-Control", "Never longer than the URL lives; `no-store` where uses are counted.")
        .may_have_header::<schemas::Text>("Repr-Digest", "The SHA-256, if `Want-Repr-Digest` was sent.")
}

/// The answers 200, 206, 304, 412 and 416 to a request for an object's bytes; `failed` and `unsatisfiable` are the dialect's.
pub fn an_object(failed: Answer, unsatisfiable: Answer) -> [(u16, Answer); 5] {
    let part = Answer::of(ANY, "The parts asked for; several as `multipart/byteranges`.")
        .may_have_header::<schemas::Text>("Content-Range", "Which bytes these are, of how many; unless there are several parts.");
    let unmodified = Answer::empty("The object is the one that the client has.")
        .with_header::<schemas::ETag>("ETag", "The entity tag.")
        .with_header::<schemas::Text>("Last-Modified", "When the content was stored, as an HTTP date.");
    [
        (200, describing_an_object(Answer::of(ANY, "The object, with its own media type.")).shared_as("Object")),
        (206, describing_an_object(part).shared_as("ObjectPart")),
        (304, unmodified.shared_as("NotModified")),
        (412, failed),
        (416, unsatisfiable.with_header::<schemas::Text>("Content-Range", "`bytes */` and the size in bytes.")),
    ]
}

/// The answer to a preflight request, and to any other `OPTIONS`, on a URL that holders use.
pub fn preflight(id: &str, methods: &str) -> Operation {
    let answer = Answer::empty("What a page of another origin may do.")
        .with_header::<schemas::Text>("Allow", methods)
        .with_header::<schemas::Text>("Access-Control-Allow-Origin", "`*`")
        .with_header::<schemas::Text>("Access-Control-Allow-Methods", methods)
        .may_have_header::<schemas::Text>(
            "Access-Control-Allow-Headers",
            "The fields asked for, if they are well formed and few.",
        );
    Operation::new(id, "What is allowed here", "CORS preflight. Never authorised, and says nothing of whether the URL works.")
        .parameters([header::<schemas::Text>("Access-Control-Request-Headers", "The fields that the page wants to send.")])
        .answer(204, answer)
}

/// The refusals that who reads with a signed URL can meet.
pub fn refusals_of_reading() -> impl Iterator<Item = Refusal> {
    Refusal::ALL.into_iter().filter(|refusal| *refusal < Refusal::TooLarge)
}

/// The refusals that who writes with a signed URL can meet.
pub fn refusals_of_writing() -> impl Iterator<Item = Refusal> {
    Refusal::ALL.into_iter().filter(|refusal| *refusal != Refusal::Prefetch)
}

/// An answer for each status that refusals are told with. `told` is by the dialect's table: the refusal, its status, and how the
/// description names it; `answer` makes an answer of a description.
pub fn refusals(
    told: impl IntoIterator<Item = (Refusal, u16, String)>,
    answer: impl Fn(u16, &str) -> Answer,
) -> Vec<(u16, Answer)> {
    let mut by_status: BTreeMap<u16, (Vec<String>, bool)> = BTreeMap::new();
    for (refusal, status, text) in told {
        let (texts, may_retry) = by_status.entry(status).or_default();
        *may_retry |= refusal.retry_after_seconds().is_some();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    let answers = by_status.into_iter().map(|(status, (texts, may_retry))| {
        let list: Vec<_> = texts.iter().map(|text| format!("* {text}")).collect();
        let answer = answer(status, &list.join("\n"));
        let description = "After how many seconds to try again, where that can help.";
        let answer = match status {
            429 | 503 => retry_after(answer),
            // A missing link is told as one in use is, and then there is nothing to wait for.
            _ if may_retry && status != 404 => answer.may_have_header::<schemas::Seconds>("Retry-After", description),
            _ => answer,
        };
        (status, answer)
    });
    answers.collect()
}

/// How a refusal is named: its code as the holder is told it, and its sentence.
pub fn code_and_sentence(refusal: Refusal) -> String {
    format!("`{}`: {}", refusal.told_as(), refusal.sentence())
}

/// An answer that says when to try again.
#[must_use]
pub fn retry_after(answer: Answer) -> Answer {
    answer.with_header::<schemas::Seconds>("Retry-After", "After how many seconds to try again.")
}

/// Text as a source has it, without what indents its lines.
pub fn prose(text: &str) -> String {
    let lines: Vec<_> = text.trim().lines().map(str::trim).collect();
    lines.join("\n")
}
