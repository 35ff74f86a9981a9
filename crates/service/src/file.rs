//! Files: objects by their ids, for protocols that know no buckets. A file can be reserved, so that its ids are told before its
//! bytes are there.

use crate::audit::About as _;
use crate::bucket::kind_of;
use crate::service::Place;
use crate::{Collection, Principal, Service, ServiceError};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;
use valetkey_metadata::{
    BucketRow, Confirmation, FileCursor, FileRef, FileRow, FilesQuery, MetadataError, ObjectRow, ReservationRow,
};
use valetkey_model::{
    Action, BucketName, FileId, FileNumber, ObjectKey, Region, Retention, Scope, TenantName, Timestamp, shortened,
};

/// The longest name of a file.
const MAX_NAME_BYTES: usize = 1024;
/// The longest media type.
const MAX_CONTENT_TYPE_BYTES: usize = 255;
/// How much of a file's name stands in its object key.
const MAX_NAME_IN_KEY_BYTES: usize = 200;

/// A file to be.
#[derive(Clone, Debug)]
pub struct NewFile {
    /// What its uploader calls it: 1 to 1024 bytes.
    pub name: String,
    /// Its media type, where that is known.
    pub content_type: Option<String>,
    /// Whether its bytes are provisional, and may be replaced, until the file is confirmed. Otherwise the first that come are it.
    pub needs_confirmation: bool,
    /// How long it waits for its bytes and, where that is needed, its confirmation.
    pub keep_for: Duration,
}

/// What a file is called from its confirmation on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewName {
    /// The name: 1 to 1024 bytes.
    pub name: String,
    /// The media type, where it follows from the name; otherwise it stays.
    pub content_type: Option<String>,
}

/// A file as its principal may know it.
#[derive(Clone, Debug)]
pub struct File {
    /// Its incarnation's id.
    pub id: FileId,
    /// Its number.
    pub number: FileNumber,
    /// The bucket its bytes are in, or go to.
    pub bucket: Arc<BucketRow>,
    /// Their object key.
    pub key: ObjectKey,
    /// What its uploader calls it, or else the last segment of the key; never empty.
    pub name: String,
    /// Its media type, where one was given.
    pub content_type: Option<String>,
    /// When its ids were first told.
    pub created_at: Timestamp,
    /// The bytes, once they are there.
    pub object: Option<Arc<ObjectRow>>,
    /// Whether its bytes are here to stay once they come: it was confirmed, or needs no confirmation.
    pub is_confirmed: bool,
}

impl File {
    /// What there is of a file in its bucket at `now`; `None` if there is nothing, or no more.
    fn of(bucket: Arc<BucketRow>, row: FileRow, now: Timestamp) -> Option<Self> {
        let FileRow { reservation, object } = live(row, now);
        match (reservation, object) {
            (None, None) => None,
            (None, Some(object)) => Some(Self {
                id: object.file_id,
                number: object.file_number,
                bucket,
                key: object.key.clone(),
                name: object.file_name.clone().unwrap_or_else(|| object.key.file_name().to_owned()),
                content_type: object.content_type.clone(),
                created_at: object.created_at,
                object: Some(Arc::new(object)),
                is_confirmed: true,
            }),
            (Some(reservation), object) => Some(Self {
                id: reservation.file_id,
                number: reservation.file_number,
                bucket,
                key: reservation.key,
                name: reservation.name,
                content_type: object.as_ref().and_then(|object| object.content_type.clone()).or(reservation.content_type),
                created_at: reservation.created_at,
                object: object.map(Arc::new),
                is_confirmed: !reservation.needs_confirmation,
            }),
        }
    }

    /// Its place in the listing of its bucket's files.
    pub fn cursor(&self) -> FileCursor {
        FileCursor { created_at: self.created_at, number: self.number }
    }

    /// Its object, if the file is there for good: uploaded, and confirmed where that is needed.
    pub fn ready(&self) -> Option<&Arc<ObjectRow>> {
        self.object.as_ref().filter(|_| self.is_confirmed)
    }

    /// Proves that the file does not have another name for good.
    fn may_be_called(&self, name: Option<&str>) -> Result<(), ServiceError> {
        match name {
            Some(name) if self.ready().is_some() && name != self.name => {
                Err(ServiceError::Conflict { reason: "the file was confirmed under another name" })
            }
            _ => Ok(()),
        }
    }
}

/// A page of a tenant's files.
#[derive(Clone, Debug, Default)]
pub struct FilePage {
    /// The files.
    pub files: Vec<File>,
    /// After what the next page begins; `None` on the last one.
    pub next: Option<FileCursor>,
}

/// Without what has ended by `now`.
fn live(row: FileRow, now: Timestamp) -> FileRow {
    FileRow {
        reservation: row.reservation.filter(|reservation| now < reservation.expires_at),
        object: row.object.filter(|object| object.expires_at.is_none_or(|at| now < at)),
    }
}

impl Service {
    /// The bucket of a tenant's files: `files-` and the tenant's name or, where that is no bucket's name, the first sixteen
    /// hexadecimal digits of its SHA-256.
    pub fn files_bucket_name(&self, tenant: &TenantName) -> BucketName {
        let digest = Sha256::digest(tenant.as_str().as_bytes());
        BucketName::of_files(tenant, digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Tells the ids of a file before its bytes are there. They are to be uploaded to its bucket and key, under
    /// [`PutMode::Reserved`](valetkey_model::PutMode::Reserved) if a URL is given away for it. Scope `object:write` or
    /// `object:create`.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`]; [`ServiceError::Invalid`] for the name or media type; [`ServiceError::OutsideBuckets`]
    /// for a principal that is limited to other buckets; [`ServiceError::NotOwner`] if the operator gave the name of the
    /// tenant's bucket of files to somebody else.
    pub async fn reserve_file(&self, principal: &Principal, new: NewFile) -> Result<File, ServiceError> {
        self.reserve_file_at(principal, new, None).await
    }

    /// The same, for a file of a collection or of none.
    pub(crate) async fn reserve_file_at(
        &self,
        principal: &Principal,
        new: NewFile,
        collection: Option<&Collection>,
    ) -> Result<File, ServiceError> {
        require_writing(principal)?;
        let (name, content_type) = (checked_name(new.name)?, new.content_type.map(checked_content_type).transpose()?);
        let (now, file_id) = (self.now(), FileId::random(self.entropy()));
        let (bucket, before_name) = match collection {
            None => (self.files_bucket(principal).await?, file_id.to_string()),
            Some(collection) => {
                let shelf = self.shelf_to_fill(principal, collection).await?;
                let before_name = shelf.key_before_name(file_id, now);
                (shelf.bucket, before_name)
            }
        };
        let key = format!("{before_name}/{}", name_in_key(&name));
        let reservation = ReservationRow {
            file_id,
            file_number: FileNumber::random(self.entropy()),
            tenant: principal.tenant().clone(),
            bucket: bucket.name.clone(),
            key: key.parse().map_err(|_| ServiceError::invalid("name", format!("`{name}`"), "the name of a file"))?,
            name,
            content_type,
            needs_confirmation: new.needs_confirmation,
            created_by: principal.api_key().clone(),
            created_at: now,
            expires_at: now.plus(new.keep_for),
        };
        let reservation = self.metadata().reserve_file(reservation).await?;
        let row = FileRow { reservation: Some(reservation), object: None };
        File::of(bucket, row, now).ok_or_else(|| ServiceError::invalid("keep_for", "nothing", "some time"))
    }

    /// The file with this id or number. Scope `object:read`, but for a public bucket's; of another tenant's public bucket, what
    /// is there for good.
    ///
    /// # Errors
    ///
    /// [`ServiceError::NotFound`], for another tenant's too; [`ServiceError::MissingScope`], [`ServiceError::OutsideBuckets`].
    pub async fn file(&self, principal: &Principal, file: FileRef) -> Result<File, ServiceError> {
        self.file_with(principal, Scope::ObjectRead, file).await
    }

    /// The file, to know of it without reading it: the scope `bucket:read` does, too.
    ///
    /// # Errors
    ///
    /// As [`Service::file`].
    pub async fn file_to_describe(&self, principal: &Principal, file: FileRef) -> Result<File, ServiceError> {
        let scope = if principal.scopes().has(Scope::ObjectRead) { Scope::ObjectRead } else { Scope::BucketRead };
        self.file_with(principal, scope, file).await
    }

    async fn file_with(&self, principal: &Principal, scope: Scope, file: FileRef) -> Result<File, ServiceError> {
        let file = self.known_file(file).await?;
        match (file.bucket.tenant == *principal.tenant(), file.bucket.public) {
            (true, true) => {}
            (true, false) => {
                principal.require(scope)?;
                principal.require_bucket(&file.bucket)?;
            }
            (false, true) if file.ready().is_some() => {}
            (false, _) => return Err(NO_FILE),
        }
        Ok(file)
    }

    /// A page of the tenant's files: those of its bucket of files, whichever protocol they came in by. Scope `object:read`, but for a
    /// public bucket's.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MissingScope`], [`ServiceError::OutsideBuckets`].
    pub async fn files(&self, principal: &Principal, query: FilesQuery) -> Result<FilePage, ServiceError> {
        let Some(bucket) = self.listed_bucket(principal).await? else { return Ok(FilePage::default()) };
        let now = self.now();
        let page = self.metadata().files(&bucket.name, query, now).await?;
        let files = page.files.into_iter().filter_map(|row| File::of(bucket.clone(), row, now)).collect();
        Ok(FilePage { files, next: page.next })
    }

    /// How many files there are on all pages of [`Service::files`]. In time that grows with them, from an index alone.
    ///
    /// # Errors
    ///
    /// As [`Service::files`].
    pub async fn n_files(&self, principal: &Principal, with_pending: bool) -> Result<u64, ServiceError> {
        match self.listed_bucket(principal).await? {
            Some(bucket) => Ok(self.metadata().n_files(&bucket.name, with_pending, self.now()).await?),
            None => Ok(0),
        }
    }

    /// Makes a file's bytes its own: they can no more be replaced with a URL that was given away for uploading it, and stay.
    /// `new_name` takes the place of the one it was reserved under. A file that needs no confirmation, or no more, stays as it is.
    /// Scope `object:write` or `object:create`.
    ///
    /// # Errors
    ///
    /// [`ServiceError::NotUploaded`] before its bytes are there; [`ServiceError::NotFound`], for another tenant's too;
    /// [`ServiceError::MissingScope`], [`ServiceError::OutsideBuckets`], [`ServiceError::Invalid`] for the name or media type;
    /// [`ServiceError::Conflict`] if it has another name for good.
    pub async fn confirm_file(
        &self,
        principal: &Principal,
        file: FileRef,
        new_name: Option<NewName>,
    ) -> Result<File, ServiceError> {
        require_writing(principal)?;
        let (name, content_type) = match new_name {
            Some(new) => (Some(checked_name(new.name)?), new.content_type.map(checked_content_type).transpose()?),
            None => (None, None),
        };
        let File { id, bucket, key, .. } = self.own_file(principal, file).await?;
        let (now, asked) = (self.now(), name.clone());
        let confirmation = Confirmation { file_id: id, name, content_type, retention: bucket.retention.lifetime(), now };
        let entry = self.act(principal, Action::FileConfirm).of_object(&bucket.name, &key);
        let (service, its_bucket) = (self.clone(), bucket.name.clone());
        let confirmed = self.to_the_end(async move {
            let confirmed = service.recording(vec![entry]).confirm_file(confirmation).await;
            service.forget_object(&its_bucket, &key);
            confirmed
        });
        let file = File::of(bucket, confirmed.await?, now).ok_or(NO_FILE)?;
        if file.ready().is_none() {
            return Err(ServiceError::NotUploaded);
        }
        file.may_be_called(asked.as_deref())?;
        tracing::debug!(bucket = %file.bucket.name, "a file was confirmed");
        Ok(file)
    }

    /// Tells whether [`Service::confirm_file`] would succeed now, so that of several files all can be confirmed or none.
    ///
    /// # Errors
    ///
    /// As [`Service::confirm_file`].
    pub async fn may_confirm_file(&self, principal: &Principal, file: FileRef, name: Option<&str>) -> Result<(), ServiceError> {
        require_writing(principal)?;
        let file = self.own_file(principal, file).await?;
        if file.object.is_none() {
            return Err(ServiceError::NotUploaded);
        }
        file.may_be_called(name)
    }

    /// Deletes a file, be it reserved, uploaded or confirmed; its URLs die with it. Gives what it was. Scope `object:write`.
    ///
    /// # Errors
    ///
    /// [`ServiceError::NotFound`], for another tenant's too; [`ServiceError::MissingScope`], [`ServiceError::OutsideBuckets`].
    pub async fn delete_file(&self, principal: &Principal, file: FileRef) -> Result<File, ServiceError> {
        principal.require(Scope::ObjectWrite)?;
        let File { id, bucket, key, .. } = self.own_file(principal, file).await?;
        let now = self.now();
        let entry = self.act(principal, Action::ObjectDelete).of_object(&bucket.name, &key);
        let (service, its_bucket) = (self.clone(), bucket.name.clone());
        let deleted = self.to_the_end(async move {
            let deleted = service.recording(vec![entry]).delete_file(id, now).await;
            service.forget_object(&its_bucket, &key);
            deleted
        });
        File::of(bucket, deleted.await?, now).ok_or(NO_FILE)
    }

    /// Ends a file and keeps its bytes: its ids are nobody's any more, its URLs die, and it is listed no longer; at its bucket and
    /// key stays an object, of an incarnation of its own, as long as it would have stayed. Without bytes it is deleted. Gives what it
    /// was. Scope `object:write`.
    ///
    /// # Errors
    ///
    /// As [`Service::delete_file`].
    pub async fn detach_file(&self, principal: &Principal, file: FileRef) -> Result<File, ServiceError> {
        principal.require(Scope::ObjectWrite)?;
        let File { id, bucket, key, .. } = self.own_file(principal, file).await?;
        let left = (FileId::random(self.entropy()), FileNumber::random(self.entropy()));
        let entry = self.act(principal, Action::FileDetach).of_object(&bucket.name, &key);
        let (service, its_bucket) = (self.clone(), bucket.name.clone());
        let detached = self.to_the_end(async move {
            let detached = service.recording(vec![entry]).detach_file(id, left).await;
            service.forget_object(&its_bucket, &key);
            detached
        });
        File::of(bucket, detached.await?, self.now()).ok_or(NO_FILE)
    }

    /// Where the bytes of a file are; `None` as long as they are not there for good. A file has one place for ever, so that what
    /// is kept here is never wrong; whether the incarnation is still at that place is for the object's row to say.
    pub(crate) async fn place_of_file(&self, file_id: FileId) -> Result<Option<Place>, ServiceError> {
        let places = &self.inner().file_places;
        if let Some(place) = places.find(&file_id) {
            return Ok(Some(place));
        }
        let before = places.before_read(&file_id);
        let FileRow { reservation: None, object: Some(object) } = self.metadata().file(FileRef::Id(file_id)).await? else {
            return Ok(None);
        };
        let place = Place { bucket: object.bucket, key: object.key };
        places.keep(file_id, place.clone(), before);
        Ok(Some(place))
    }

    /// A file, whoever's.
    async fn known_file(&self, file: FileRef) -> Result<File, ServiceError> {
        let row = self.metadata().file(file).await?;
        let object_in = row.object.as_ref().map(|object| &object.bucket);
        let bucket = object_in.or(row.reservation.as_ref().map(|reservation| &reservation.bucket)).ok_or(NO_FILE)?;
        let bucket = self.bucket_row(bucket).await?.ok_or(NO_FILE)?;
        File::of(bucket, row, self.now()).ok_or(NO_FILE)
    }

    /// A file of the principal's tenant, in a bucket that it may use.
    async fn own_file(&self, principal: &Principal, file: FileRef) -> Result<File, ServiceError> {
        let file = self.known_file(file).await?;
        match principal.require_bucket(&file.bucket) {
            Ok(()) => Ok(file),
            Err(ServiceError::NotOwner) => Err(NO_FILE),
            Err(error) => Err(error),
        }
    }

    /// The bucket of the principal's tenant's files, if it is there, proved to be one whose files the principal may know.
    async fn listed_bucket(&self, principal: &Principal) -> Result<Option<Arc<BucketRow>>, ServiceError> {
        let name = self.files_bucket_name(principal.tenant());
        let found = self.bucket_row(&name).await?.filter(|bucket| bucket.tenant == *principal.tenant());
        if found.as_ref().is_some_and(|bucket| bucket.public) {
            return Ok(found);
        }
        principal.require(Scope::ObjectRead)?;
        if principal.is_within(&name) { Ok(found) } else { Err(ServiceError::OutsideBuckets) }
    }

    /// The bucket of the principal's tenant's files, made if it is not there.
    pub(crate) async fn files_bucket(&self, principal: &Principal) -> Result<Arc<BucketRow>, ServiceError> {
        let name = self.files_bucket_name(principal.tenant());
        match self.own_bucket(principal, &name).await {
            Err(ServiceError::NotFound { .. }) => {}
            found => return found,
        }
        let row = BucketRow {
            name: name.clone(),
            tenant: principal.tenant().clone(),
            region: Region::default(),
            retention: Retention::Persistent,
            public: false,
            created_by: Some(principal.api_key().clone()),
            created_at: self.now(),
        };
        principal.require_bucket(&row)?;
        let entry = self.act(principal, Action::BucketCreate).of_bucket(&name).saying(kind_of(&row));
        match self.recording(vec![entry]).create_bucket(row).await {
            Ok(()) => tracing::info!(bucket = %name, "a bucket of files was made"),
            // Another request was faster.
            Err(MetadataError::AlreadyExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        self.forget_bucket(&name);
        self.own_bucket(principal, &name).await
    }
}

const NO_FILE: ServiceError = ServiceError::NotFound { what: "file" };

fn require_writing(principal: &Principal) -> Result<(), ServiceError> {
    if principal.scopes().has(Scope::ObjectCreate) { Ok(()) } else { principal.require(Scope::ObjectWrite) }
}

fn checked_name(name: String) -> Result<String, ServiceError> {
    if (1..=MAX_NAME_BYTES).contains(&name.len()) {
        return Ok(name);
    }
    Err(ServiceError::invalid("name", format!("{} bytes long", name.len()), format!("1 to {MAX_NAME_BYTES} bytes")))
}

fn checked_content_type(content_type: String) -> Result<String, ServiceError> {
    let printable = content_type.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if printable && (1..=MAX_CONTENT_TYPE_BYTES).contains(&content_type.len()) {
        return Ok(content_type);
    }
    let expected = format!("1 to {MAX_CONTENT_TYPE_BYTES} characters of printable ASCII");
    Err(ServiceError::invalid("content_type", format!("`{}`", content_type.escape_debug()), expected))
}

/// A file's name as the last segment of its key: nothing in it ends the segment, hides the file or turns the writing around. A long
/// one is cut before its extension.
fn name_in_key(name: &str) -> String {
    let mut leading = true;
    let sanitised: String = name
        .chars()
        .map(|character| {
            leading &= character == '.';
            let is_kept = !leading && character != '/' && !character.is_control() && !is_bidirectional(character);
            if is_kept { character } else { '_' }
        })
        .collect();
    shortened(&sanitised, MAX_NAME_IN_KEY_BYTES)
}

/// The marks, embeddings, overrides and isolates of Unicode's bidirectional algorithm.
fn is_bidirectional(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_keys() {
        let check = |name: &str, expected: &str| assert_eq!(name_in_key(name), expected, "{name:?}");
        check("q3 final.pdf", "q3 final.pdf");
        check("تقرير 😀 e\u{301}.pdf", "تقرير 😀 e\u{301}.pdf");
        check("..", "__");
        check(".hidden.txt", "_hidden.txt");
        check("a/../b\\c", "a_.._b\\c");
        check("a\0b\nc\u{7f}\u{85}", "a_b_c__");
        check("exe\u{202e}fdp.", "exe_fdp.");
        check(&"x".repeat(1000), &"x".repeat(200));
        check(&"😀".repeat(51), &"😀".repeat(50));
        check(&format!("{}é", "x".repeat(199)), &"x".repeat(199));
        check(&format!("{}.pdf", "x".repeat(300)), &format!("{}.pdf", "x".repeat(196)));
        for name in ["..", ".", "/", "a", "\u{2066}", "a//b", &" ".repeat(300)] {
            let key: ObjectKey = format!("{}/{}", FileId::from_bytes([1; 16]), name_in_key(name)).parse().unwrap();
            assert!(key.is_plain_path(), "{name:?}");
        }
    }
}
