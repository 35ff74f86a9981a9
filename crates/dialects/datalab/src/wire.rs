//! The JSON of the vendor's API.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use valetkey_http_common::openapi::schemas;

/// What an upload may be said to be, as far as answers tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = datalab::UploadStatus)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UploadStatus {
    /// The bytes are not there, or not confirmed.
    Pending,
    /// The file can be downloaded.
    Completed,
}

/// A file to be, and where its bytes go.
#[derive(Serialize, ToSchema)]
#[schema(as = datalab::Upload)]
pub(crate) struct UploadBody {
    /// Its id.
    #[schema(value_type = schemas::FileNumber)]
    pub(crate) file_id: u64,
    /// The URL, for a PUT of the bytes: again and again, until they are confirmed.
    #[schema(value_type = schemas::Url)]
    pub(crate) upload_url: String,
    /// What other services of the vendor are given for it; its last part does for the id, too.
    #[schema(pattern = "^datalab://file-[-_A-Za-z0-9]{22}$")]
    pub(crate) reference: String,
    /// For how many seconds the URL works.
    #[schema(value_type = schemas::Seconds)]
    pub(crate) expires_in: u64,
}

/// A file that is confirmed.
#[derive(Serialize, ToSchema)]
#[schema(as = datalab::Confirmed)]
pub(crate) struct ConfirmBody {
    /// Always `true`.
    pub(crate) success: bool,
    /// Its id.
    #[schema(value_type = schemas::FileNumber)]
    pub(crate) file_id: u64,
    /// What other services of the vendor are given for it.
    #[schema(pattern = "^datalab://file-[-_A-Za-z0-9]{22}$")]
    pub(crate) reference: String,
    /// A sentence.
    pub(crate) message: &'static str,
    /// When the upload was begun.
    #[schema(value_type = schemas::Instant)]
    pub(crate) created: String,
}

/// A URL to download a file.
#[derive(Serialize, ToSchema)]
#[schema(as = datalab::Download)]
pub(crate) struct DownloadBody {
    /// The URL: whoever has it may download the file.
    #[schema(value_type = schemas::Url)]
    pub(crate) download_url: String,
    /// For how many seconds it works.
    #[schema(value_type = schemas::Seconds)]
    pub(crate) expires_in: u64,
    /// The file's id.
    #[schema(value_type = schemas::FileNumber)]
    pub(crate) file_id: u64,
    /// Its name, as it was uploaded.
    pub(crate) original_filename: String,
}

/// A file.
#[derive(Serialize, ToSchema)]
#[schema(as = datalab::File)]
pub(crate) struct FileBody {
    /// Its id.
    #[schema(value_type = schemas::FileNumber)]
    pub(crate) file_id: u64,
    /// Its name, as it was uploaded.
    pub(crate) original_filename: String,
    /// Its media type.
    pub(crate) content_type: String,
    /// What other services of the vendor are given for it.
    #[schema(pattern = "^datalab://file-[-_A-Za-z0-9]{22}$")]
    pub(crate) reference: String,
    /// Whether it is there.
    pub(crate) upload_status: UploadStatus,
    /// How many bytes it has, once it is there.
    #[schema(minimum = 0, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file_size: Option<u64>,
    /// When the upload was begun.
    #[schema(value_type = schemas::Instant)]
    pub(crate) created: String,
}

/// A page of files.
#[derive(Serialize, ToSchema)]
#[schema(as = datalab::Files)]
pub(crate) struct ListBody {
    /// The files, the newest first; those that are pending among them.
    pub(crate) files: Vec<FileBody>,
    /// How many there are on all pages.
    #[schema(minimum = 0)]
    pub(crate) total: u64,
    /// How many a page has at most.
    #[schema(minimum = 1, maximum = 100)]
    pub(crate) limit: u32,
    /// How many come before the first of these.
    #[schema(minimum = 0)]
    pub(crate) offset: u64,
}

/// That a file is gone.
#[derive(Serialize, ToSchema)]
#[schema(as = datalab::Deleted)]
pub(crate) struct DeletedBody {
    /// Always `true`.
    pub(crate) success: bool,
    /// A sentence.
    pub(crate) message: String,
}

/// Why a call was refused.
#[derive(Serialize, ToSchema)]
#[schema(as = datalab::Detail)]
pub(crate) struct DetailBody<'a> {
    /// A sentence; in the vendor's words where it has some.
    pub(crate) detail: &'a str,
}

/// What is wrong with a request: the vendor's `HTTPValidationError`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = datalab::HttpValidationError)]
pub(crate) struct FaultsBody {
    /// Every one of them.
    pub(crate) detail: Vec<FaultBody>,
}

/// One fault: the vendor's `ValidationError`, with the fields that its framework adds.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = datalab::ValidationError)]
pub(crate) struct FaultBody {
    /// What kind of fault, for programs.
    pub(crate) r#type: &'static str,
    /// Where, from the outside inwards.
    pub(crate) loc: Vec<Loc>,
    /// What is wrong.
    pub(crate) msg: String,
    /// What was found, where it can be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) input: Option<Box<Value>>,
    /// What the sentence is about.
    #[schema(value_type = Option<std::collections::BTreeMap<String, Value>>, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ctx: Option<Ctx>,
}

impl FaultBody {
    /// A fault of which nothing is shown.
    pub(crate) fn new(r#type: &'static str, loc: &[Loc], msg: impl Into<String>) -> Self {
        Self { r#type, loc: loc.to_vec(), msg: msg.into(), input: None, ctx: None }
    }

    /// The same with what was found.
    pub(crate) fn found(self, input: impl Into<Value>) -> Self {
        Self { input: Some(Box::new(input.into())), ..self }
    }

    /// The same with what the sentence is about.
    pub(crate) fn about(self, ctx: Ctx) -> Self {
        Self { ctx: Some(ctx), ..self }
    }
}

/// What the sentence of a fault is about: an object of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ctx {
    /// The least that is allowed.
    Ge(i64),
    /// The most that is allowed.
    Le(i64),
    /// What a parser says.
    Error(String),
}

/// One step of the way to a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = datalab::Loc)]
#[serde(untagged)]
pub(crate) enum Loc {
    /// A part of the request, a parameter, a field.
    Name(&'static str),
    /// An offset in the body, in characters.
    Offset(usize),
}
