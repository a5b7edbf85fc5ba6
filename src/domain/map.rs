//! Maps that are asked for every request.

use std::collections::HashMap;

/// A map whose hash takes a tenth of the time of the standard library's, for keys that clients cannot choose: against
/// those who look for keys that collide it is protected less well.
pub type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;
