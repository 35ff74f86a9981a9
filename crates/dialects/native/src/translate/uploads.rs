//! Uploads under way ⇄ JSON.

use super::{after_cursor, cursor, invalid, rfc3339};
use crate::wire::uploads::{UploadBody, UploadsBody};
use valetkey_model::{Timestamp, UploadId};
use valetkey_service::{ServiceError, UploadCursor, UploadEntry, UploadLayout, UploadPage};

pub(crate) fn uploads_body(page: &UploadPage) -> UploadsBody {
    let next = page.next.as_ref().map(|next| cursor(&format!("{} {}", next.created_at.as_micros(), next.id)));
    UploadsBody { uploads: page.uploads.iter().map(upload_body).collect(), next }
}

/// The place in a listing that [`uploads_body`] gave.
pub(crate) fn upload_cursor(next: &str) -> Result<UploadCursor, ServiceError> {
    let text = after_cursor(next)?;
    let parsed = text.split_once(' ').and_then(|(at, id)| {
        let created_at = Timestamp::from_micros(at.parse().ok()?);
        Some(UploadCursor { created_at, id: id.parse::<UploadId>().ok()? })
    });
    parsed.ok_or_else(|| invalid("next", format!("`{next}`"), "the `next` of an earlier page"))
}

pub(crate) fn upload_body(entry: &UploadEntry) -> UploadBody {
    let UploadEntry { upload, n_pieces, received_bytes } = entry;
    let (layout, total_bytes) = match &upload.layout {
        UploadLayout::Parts => ("parts", None),
        UploadLayout::Ranges(ranges) => ("ranges", ranges.total_bytes),
    };
    UploadBody {
        upload_id: upload.id,
        bucket: upload.bucket.clone(),
        key: upload.key.clone(),
        layout,
        api_key: upload.created_by.clone(),
        total_bytes,
        received_bytes: *received_bytes,
        n_pieces: *n_pieces,
        created_at: rfc3339(upload.created_at),
        expires_at: rfc3339(upload.expires_at),
    }
}
