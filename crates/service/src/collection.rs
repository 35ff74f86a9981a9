//! Collections: files that are listed together, for protocols that know tables of files and no buckets.
//!
//! A collection is the bucket of its name, where the tenant has one; otherwise a folder of the tenant's bucket of files. It is there
//! as soon as it is named. In a folder, files stand in the order in which they were reserved.

use crate::service::Place;
use crate::{File, NewFile, Principal, Service, ServiceError};
use futures_util::StreamExt as _;
use futures_util::stream;
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use valetkey_metadata::{BucketRow, ObjectRow};
use valetkey_model::{BucketName, FileId, Scope, Timestamp};

/// How many files are read from the store at once.
const PAGE: u32 = 1000;
/// For how many files of a batch digests are made at the same time.
const N_DIGESTED_AT_ONCE: usize = 8;
/// How many bytes are hashed for one batch, unless its first file alone has more.
const MAX_DIGESTED_BYTES: u64 = 256 << 20;
/// The longest name that stands in object keys as it is.
const MAX_FOLDER_BYTES: usize = 100;

/// A collection, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    folder: String,
    bucket: Option<BucketName>,
}

impl Collection {
    /// The collection of this name; `bucket` is how a bucket would be called that is it, if one can be.
    pub fn new(name: &str, bucket: Option<BucketName>) -> Self {
        Self { folder: folder(name), bucket }
    }
}

/// Where a collection's files are: beneath a prefix of a bucket.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    pub(crate) bucket: Arc<BucketRow>,
    /// The first segment of their keys, where it is not the whole bucket.
    pub(crate) folder: Option<String>,
}

impl Shelf {
    fn whole(bucket: Arc<BucketRow>) -> Self {
        Self { bucket, folder: None }
    }

    fn prefix(&self) -> String {
        self.folder.as_ref().map(|folder| format!("{folder}/")).unwrap_or_default()
    }

    /// What stands before a file's name in its key: files that came later sort later.
    pub(crate) fn key_before_name(&self, file_id: FileId, now: Timestamp) -> String {
        // Sixteen digits hold every instant after 1970.
        format!("{}{:016x}-{file_id}", self.prefix(), now.as_micros().max(0))
    }
}

/// The files of a collection that are there for good, batch by batch: what is held at a time does not grow with their number. What
/// changes meanwhile shows as far as it comes later in the order.
pub struct CollectionFiles {
    service: Service,
    /// `None` where nothing was ever uploaded.
    shelf: Option<Shelf>,
    changed_at: Option<Timestamp>,
    /// The last key of the page before.
    after: Option<String>,
    is_last_page: bool,
    page: VecDeque<ObjectRow>,
}

impl fmt::Debug for CollectionFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectionFiles").field("after", &self.after).finish_non_exhaustive()
    }
}

impl Service {
    /// As [`Service::reserve_file`], for a file of a collection.
    ///
    /// # Errors
    ///
    /// As [`Service::reserve_file`]; [`ServiceError::OutsideBuckets`] where the collection is in another bucket than the principal
    /// is limited to.
    pub async fn reserve_file_in(
        &self,
        principal: &Principal,
        new: NewFile,
        collection: &Collection,
    ) -> Result<File, ServiceError> {
        self.reserve_file_at(principal, new, Some(collection)).await
    }

    /// Where a new file of the collection goes.
    pub(crate) async fn shelf_to_fill(&self, principal: &Principal, collection: &Collection) -> Result<Shelf, ServiceError> {
        if let Some(bucket) = self.bucket_of(collection).await?.filter(|bucket| bucket.tenant == *principal.tenant()) {
            principal.require_bucket(&bucket)?;
            return Ok(Shelf::whole(bucket));
        }
        Ok(Shelf { bucket: self.files_bucket(principal).await?, folder: Some(collection.folder.clone()) })
    }

    /// The files of a collection, for a principal or, in a public bucket, for anybody. Scope `object:read`, but for a public
    /// bucket's. Another tenant's public bucket is the collection of its name for who has no files of their own there.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Unauthenticated`] without a principal, unless it is a public bucket; [`ServiceError::MissingScope`],
    /// [`ServiceError::OutsideBuckets`].
    pub async fn collection_files(
        &self,
        principal: Option<&Principal>,
        collection: &Collection,
    ) -> Result<CollectionFiles, ServiceError> {
        // Before anything is read: what changes meanwhile is then later.
        let changed_at = self.changed_at(principal, collection);
        let shelf = match principal {
            Some(principal) => self.shelf_to_read(principal, collection).await?,
            None => Some(Shelf::whole(self.public_bucket_of(collection).await?.ok_or(ServiceError::Unauthenticated)?)),
        };
        // Where retention ends objects, a listing changes by itself.
        let is_kept = shelf.as_ref().is_none_or(|shelf| shelf.bucket.retention.lifetime().is_none());
        Ok(CollectionFiles {
            service: self.clone(),
            is_last_page: shelf.is_none(),
            shelf,
            changed_at: Some(changed_at).filter(|_| is_kept),
            after: None,
            page: VecDeque::new(),
        })
    }

    async fn shelf_to_read(&self, principal: &Principal, collection: &Collection) -> Result<Option<Shelf>, ServiceError> {
        let own = match self.bucket_of(collection).await? {
            Some(bucket) if bucket.tenant == *principal.tenant() => {
                if !bucket.public {
                    principal.require(Scope::ObjectRead)?;
                    principal.require_bucket(&bucket)?;
                }
                return Ok(Some(Shelf::whole(bucket)));
            }
            _ => self.own_folder(principal, collection).await,
        };
        let Some(public) = self.public_bucket_of(collection).await? else { return own };
        match own {
            Ok(Some(shelf)) if self.holds_files(&shelf).await? => Ok(Some(shelf)),
            Ok(_) | Err(ServiceError::MissingScope { .. } | ServiceError::OutsideBuckets) => Ok(Some(Shelf::whole(public))),
            Err(error) => Err(error),
        }
    }

    /// The collection's folder, if its bucket is there.
    async fn own_folder(&self, principal: &Principal, collection: &Collection) -> Result<Option<Shelf>, ServiceError> {
        principal.require(Scope::ObjectRead)?;
        let name = self.files_bucket_name(principal.tenant());
        match self.own_bucket(principal, &name).await {
            Ok(bucket) => Ok(Some(Shelf { bucket, folder: Some(collection.folder.clone()) })),
            Err(ServiceError::NotFound { .. }) if principal.is_within(&name) => Ok(None),
            Err(ServiceError::NotFound { .. }) => Err(ServiceError::OutsideBuckets),
            Err(error) => Err(error),
        }
    }

    async fn holds_files(&self, shelf: &Shelf) -> Result<bool, ServiceError> {
        let page = self.metadata().ready_objects(&shelf.bucket.name, &shelf.prefix(), None, 1, self.now()).await?;
        Ok(page.next.is_some() || !page.objects.is_empty())
    }

    async fn bucket_of(&self, collection: &Collection) -> Result<Option<Arc<BucketRow>>, ServiceError> {
        match &collection.bucket {
            Some(name) => self.bucket_row(name).await,
            None => Ok(None),
        }
    }

    async fn public_bucket_of(&self, collection: &Collection) -> Result<Option<Arc<BucketRow>>, ServiceError> {
        match &collection.bucket {
            Some(name) => self.public_bucket(name).await,
            None => Ok(None),
        }
    }

    /// When the listing last changed, or later.
    fn changed_at(&self, principal: Option<&Principal>, collection: &Collection) -> Timestamp {
        let changes = &self.inner().changes;
        let of_bucket = collection.bucket.as_ref().map(|bucket| changes.of_bucket(bucket));
        let of_folder = principal.map(|principal| {
            let bucket = self.files_bucket_name(principal.tenant());
            changes.of_bucket(&bucket).min(changes.of_folder(&bucket, &collection.folder))
        });
        of_bucket.into_iter().chain(of_folder).max().unwrap_or(self.now())
    }

    /// The object with its digests, or as it is where they cannot be made: a blob that is damaged takes nothing else along.
    async fn digested(&self, object: ObjectRow) -> Arc<ObjectRow> {
        let object = Arc::new(object);
        match self.with_digests(object.clone()).await {
            Ok(object) => object,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a listed object has no digests");
                object
            }
        }
    }
}

impl CollectionFiles {
    /// An instant since which nothing has changed here; `None` where none can be told.
    pub fn changed_at(&self) -> Option<Timestamp> {
        self.changed_at
    }

    /// The next files, at least one, each with its digests where they can be made; `None` after the last. Digests that were not
    /// needed before are made now, for some hundred MiB at a time.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Unavailable`].
    pub async fn next_batch(&mut self) -> Result<Option<Vec<Arc<ObjectRow>>>, ServiceError> {
        while self.page.is_empty() {
            let Some(shelf) = self.shelf.as_ref().filter(|_| !self.is_last_page) else { return Ok(None) };
            let (service, prefix) = (&self.service, shelf.prefix());
            let after = self.after.as_deref();
            let page = service.metadata().ready_objects(&shelf.bucket.name, &prefix, after, PAGE, service.now()).await?;
            self.after = page.next.map(|key| key.as_str().to_owned());
            self.is_last_page = self.after.is_none();
            self.page = page.objects.into();
        }
        let mut to_digest = 0_u64;
        let n_rows = self.page.iter().take_while(|object| {
            let is_first = to_digest == 0;
            if object.sha1.is_none() || object.md5.is_none() {
                to_digest = to_digest.saturating_add(object.size_bytes);
            }
            is_first || to_digest <= MAX_DIGESTED_BYTES
        });
        let n_rows = n_rows.count();
        let rows: Vec<_> = self.page.drain(..n_rows).collect();
        let service = self.service.clone();
        let digested = rows.into_iter().map(move |object| {
            let service = service.clone();
            async move { service.digested(object).await }
        });
        Ok(Some(stream::iter(digested).buffered(N_DIGESTED_AT_ONCE).collect().await))
    }
}

/// A collection's name as the first segment of object keys: itself, or its digest where it is long or no plain segment.
fn folder(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if (1..=MAX_FOLDER_BYTES).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(is_plain) {
        return name.to_owned();
    }
    let digest = Sha256::digest(name.as_bytes());
    digest.iter().take(16).fold(String::from("~"), |text, byte| text + &format!("{byte:02x}"))
}

/// The folder that a place is in: all before the first slash of its key.
pub(crate) fn folder_of(place: &Place) -> Option<&str> {
    place.key.as_str().split_once('/').map(|(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders() {
        for plain in ["demo.files.docs", "a", "-", "0_.x", &"a".repeat(100)] {
            assert_eq!(folder(plain), plain);
        }
        let mut odd = vec!["", ".", "..", ".a", "A", "a/b", "a b", "~a", "é"];
        let long = "a".repeat(101);
        odd.push(&long);
        let digests: std::collections::HashSet<_> = odd.iter().map(|name| folder(name)).collect();
        assert_eq!(digests.len(), odd.len());
        assert!(digests.iter().all(|digest| digest.len() == 33 && digest.starts_with('~')), "{digests:?}");
    }
}
