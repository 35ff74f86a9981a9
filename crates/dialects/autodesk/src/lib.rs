//! dialects/autodesk
