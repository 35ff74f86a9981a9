//! The store against the model.

use crate::SqliteDirectory;
use proptest::prelude::*;
use valetkey_testkit::metadata::{Trial, model};

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_model(operations in model::operations()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(model::the_store_agrees(Trial::new(SqliteDirectory::new()), &operations));
    }
}
