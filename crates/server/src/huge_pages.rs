//! Memory in pages of the usual size.

/// Has the kernel back this process by pages of the usual size alone. A connection's few kilobytes must not keep two megabytes
/// resident: 10,000 stalled transfers take 129 MiB so, and 217 MiB with huge pages.
pub(crate) fn disable() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "transparent huge pages could not be disabled");
    }
}
