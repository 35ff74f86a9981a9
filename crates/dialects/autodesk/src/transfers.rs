//! Direct transfers, one by one and in batches: URLs to upload parts, completion, URLs to download.

use crate::errors::{ApiError, bad, json};
use crate::routes::{
    Autodesk, Call, MAX_PARTS, digests, not_to_be_replaced, require_writing, transfer_lifetime, unmodified, whole,
};
use crate::translate::{
    boolean, bucket_name, download_body, download_request, incomplete, no_such_etag, no_such_upload, object_body, parse,
    parse_object_key, quote_validators, upload_body, user_metadata,
};
use crate::wire::{
    BatchBody, BatchItem, CompleteBody, CompleteItem, DownloadBody, DownloadItem, FailedBody, ObjectBody, RequestsBody,
    UploadBody, UploadItem, md5_of_etag,
};
use http::header::{HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use http::{Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use valetkey_dataplane::RequestBody;
use valetkey_dataplane::body::ResponseBody;
use valetkey_http_common::disposition;
use valetkey_http_common::json::Object;
use valetkey_http_common::query::Query;
use valetkey_model::{BucketName, ObjectKey, Scope};
use valetkey_service::{ObjectRow, Principal, ServiceError, UploadOptions};

/// How many requests a batch has at most.
pub(crate) const MAX_BATCH: usize = 25;

/// The names that batches have where an object's key would be. An object with such a key is reached by escaping a letter.
pub(crate) const BATCHES: [&str; 3] = ["batchsigneds3upload", "batchcompleteupload", "batchsigneds3download"];

/// Which parts are to be uploaded.
pub(crate) struct PartsAsked {
    /// The number of the first, from 1.
    pub(crate) first: u32,
    /// How many.
    pub(crate) n_parts: u32,
    /// The upload they are of; without one a new one begins.
    pub(crate) upload_key: Option<String>,
}

/// What a URL to download is to answer.
#[derive(Default)]
pub(crate) struct DownloadAsked {
    pub(crate) content_type: Option<String>,
    pub(crate) disposition: Option<String>,
}

impl Autodesk {
    /// URLs for the parts of an upload.
    pub(crate) async fn upload_urls(
        &self,
        principal: &Principal,
        (bucket, key): (&BucketName, &ObjectKey),
        asked: PartsAsked,
        lifetime: Duration,
    ) -> Result<UploadBody, ApiError> {
        let last = asked.first.saturating_add(asked.n_parts.saturating_sub(1));
        if last > MAX_PARTS {
            return Err(bad(format!("Invalid query parameter 'parts': expected no part after {MAX_PARTS}")));
        }
        let id = match asked.upload_key {
            Some(upload_key) => upload_key.parse().map_err(|_| no_such_upload(&upload_key))?,
            None => self.service().begin_parts(principal, bucket, key).await?,
        };
        let ticket = self.service().part_secret(principal, bucket, key, &id, lifetime).await.map_err(|error| match error {
            ServiceError::NotFound { what: "upload" } => no_such_upload(&id.to_string()),
            error => error.into(),
        })?;
        let base = self.base_for(&ticket.bucket, false);
        Ok(upload_body(id, &ticket, asked.first..=last, base))
    }

    /// Makes the parts of an upload an object.
    pub(crate) async fn completed(
        &self,
        principal: &Principal,
        place: (&BucketName, &ObjectKey),
        asked: CompleteBody,
        options: UploadOptions,
    ) -> Result<ObjectBody, ApiError> {
        let Ok(id) = asked.upload_key.parse() else { return Err(no_such_upload(&asked.upload_key)) };
        let md5s = asked.e_tags.unwrap_or_default().iter().map(|etag| md5_of_etag(etag)).collect::<Option<Vec<_>>>();
        let Some(md5s) = md5s else { return Err(no_such_etag(asked.upload_key)) };
        let completed = self.service().complete_parts(principal, place, &id, asked.size, &md5s, options).await;
        let published = completed.map_err(|mismatch| match incomplete(asked.upload_key, mismatch) {
            ApiError::Service(error) => not_to_be_replaced(error, false),
            error => error,
        })?;
        Ok(object_body(&published.object, self.public_url()))
    }

    /// A URL to download an object.
    pub(crate) async fn download(
        &self,
        principal: &Principal,
        object: &ObjectRow,
        asked: DownloadAsked,
        lifetime: Duration,
        use_cdn: bool,
    ) -> Result<DownloadBody, ApiError> {
        // The vendor's `data:read` gives such a URL to who may read the object.
        let principal = self.with_scope(principal.clone(), Scope::LinkIssue)?;
        let request = download_request(object.bucket.clone(), object.key.clone(), lifetime, asked);
        let issued = self.issue(&principal, request).await?;
        let base = self.base_for(&issued.bucket, use_cdn);
        Ok(download_body(&issued, object, self.public_url(), base))
    }

    /// `POST …/objects/batchsigneds3upload`
    pub(crate) async fn batch_uploads(
        &self,
        call: &Call,
        body: RequestBody,
        bucket: &str,
    ) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        require_writing(&principal)?;
        let bucket = bucket_name(bucket)?;
        let query = Query::new(call.parts.uri.query());
        let lifetime = transfer_lifetime(query)?;
        boolean(query, "useAcceleration")?;
        let requests = requests::<UploadItem>(body, |item| &item.object_key).await?;
        let asked = requests.iter().map(|(_, item)| part_numbers(item)).collect::<Result<Vec<_>, _>>()?;
        if asked.iter().map(|asked| u64::from(asked.n_parts)).sum::<u64>() > u64::from(MAX_PARTS) {
            return Err(bad(format!("Invalid field 'requests': expected at most {MAX_PARTS} parts in all")));
        }
        self.service().require_writable(&principal, &bucket).await?;
        let mut results = Vec::new();
        for ((key, item), asked) in requests.into_iter().zip(asked) {
            let done = self.upload_urls(&principal, (&bucket, &key), asked, lifetime).await;
            result(&mut results, item.object_key, done)?;
        }
        Ok(json(StatusCode::OK, &BatchBody { results }))
    }

    /// `POST …/objects/batchcompleteupload`
    pub(crate) async fn batch_completions(
        &self,
        call: &Call,
        body: RequestBody,
        bucket: &str,
    ) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        require_writing(&principal)?;
        let bucket = bucket_name(bucket)?;
        let requests = requests::<CompleteItem>(body, |item| &item.object_key).await?;
        self.service().require_writable(&principal, &bucket).await?;
        let mut results = Vec::new();
        for (key, item) in requests {
            let file_name = item.content_disposition.as_deref().and_then(|field| disposition::file_name(field.as_bytes()));
            let content_type = item.content_type.filter(|text| HeaderValue::from_str(text).is_ok());
            let asked = CompleteBody { upload_key: item.upload_key, size: item.size, e_tags: item.e_tags };
            let done = match user_metadata(item.user_metadata.as_deref()) {
                Ok(user_metadata) => {
                    let digests = digests();
                    let options = UploadOptions { content_type, file_name, user_metadata, digests, ..UploadOptions::default() };
                    self.completed(&principal, (&bucket, &key), asked, options).await
                }
                Err(error) => Err(error),
            };
            result(&mut results, item.object_key, done)?;
        }
        Ok(json(StatusCode::OK, &BatchBody { results }))
    }

    /// `POST …/objects/batchsigneds3download`
    pub(crate) async fn batch_downloads(
        &self,
        call: &Call,
        body: RequestBody,
        bucket: &str,
    ) -> Result<Response<ResponseBody>, ApiError> {
        let principal = self.principal(call)?;
        let bucket = bucket_name(bucket)?;
        let query = Query::new(call.parts.uri.query());
        let (lifetime, use_cdn) = (transfer_lifetime(query)?, boolean(query, "useCdn")?);
        boolean(query, "public-resource-fallback")?;
        let mut results = Vec::new();
        for (key, item) in requests::<DownloadItem>(body, |item| &item.object_key).await? {
            let done = match self.readable(&principal, &bucket, &key).await {
                Ok(object) if is_unmodified(&item, &object) => {
                    let skipped = FailedBody { status: "skipped", reason: "Not modified".into() };
                    results.push((item.object_key, BatchItem::Failed(skipped)));
                    continue;
                }
                Ok(object) => {
                    let asked = DownloadAsked { content_type: item.content_type, disposition: item.content_disposition };
                    self.download(&principal, &object, asked, lifetime, use_cdn).await
                }
                Err(error) => Err(error),
            };
            result(&mut results, item.object_key, done)?;
        }
        Ok(json(StatusCode::OK, &BatchBody { results }))
    }

    /// An object of a bucket for its reader, with its digests.
    pub(crate) async fn readable(
        &self,
        principal: &Principal,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<Arc<ObjectRow>, ApiError> {
        let object = self.service().object(principal, bucket, key).await?;
        Ok(self.service().with_digests(object).await?)
    }
}

/// What came of one request. What all others would fail with, too, fails the whole call, as long as nothing was done.
fn result<T: Serialize>(
    results: &mut Vec<(String, BatchItem<T>)>,
    key: String,
    done: Result<T, ApiError>,
) -> Result<(), ApiError> {
    let item = match done {
        Ok(done) => BatchItem::Done(done),
        Err(error) if results.is_empty() && error.is_of_all() => return Err(error),
        Err(error) => error.into_item(),
    };
    results.push((key, item));
    Ok(())
}

/// The requests of a batch with their keys: each of another object, since what is answered is found by the key.
async fn requests<T: DeserializeOwned>(body: RequestBody, key: fn(&T) -> &String) -> Result<Vec<(ObjectKey, T)>, ApiError> {
    let RequestsBody { requests } = parse::<RequestsBody<T>>(&whole(body).await?)?;
    if requests.is_empty() || requests.len() > MAX_BATCH {
        return Err(bad(format!("Invalid field 'requests': expected 1 to {MAX_BATCH}, found {}", requests.len())));
    }
    let keyed = |Object(item): Object<T>| Ok((parse_object_key(key(&item))?, item));
    let requests = requests.into_iter().map(keyed).collect::<Result<Vec<_>, ApiError>>()?;
    let mut keys: Vec<_> = requests.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| matches!(pair, [one, next] if one == next)) {
        Some(_) => Err(bad("Invalid field 'requests': an objectKey stands more than once")),
        None => Ok(requests),
    }
}

fn part_numbers(item: &UploadItem) -> Result<PartsAsked, ApiError> {
    let number = |name: &str, number: Option<u32>| {
        let number = number.unwrap_or(1);
        let fine = (1..=MAX_PARTS).contains(&number);
        fine.then_some(number).ok_or_else(|| bad(format!("Invalid field '{name}': expected 1 to {MAX_PARTS}")))
    };
    let (first, n_parts) = (number("firstPart", item.first_part)?, number("parts", item.parts)?);
    Ok(PartsAsked { first, n_parts, upload_key: item.upload_key.clone() })
}

/// Whether the validators of a request say that its object need not be told again.
fn is_unmodified(item: &DownloadItem, object: &ObjectRow) -> bool {
    let mut headers = HeaderMap::new();
    for (name, value) in [(IF_NONE_MATCH, &item.if_none_match), (IF_MODIFIED_SINCE, &item.if_modified_since)] {
        if let Some(value) = value.as_deref().and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    quote_validators(&mut headers);
    unmodified(&headers, object).is_some()
}
