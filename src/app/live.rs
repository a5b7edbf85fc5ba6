//! Carries what the operator changes while the program runs to the parts that go by it. The data plane
//! is given a whole new snapshot, which its next request reads; nobody waits for anybody.

use super::logging;
use super::options::{choices, data_options, warm_up};
use crate::admin_plane::LiveSettings;
use crate::config::Settings;
use crate::data_plane;
use crate::listener::Deadlines;
use crate::shape::rules::Rules;
use std::sync::Arc;

/// The settings as they are, with the way to the parts of `shared`.
pub(super) fn settings(
    settings: &Settings,
    shared: &Arc<data_plane::Shared>,
    deadlines: Deadlines,
) -> LiveSettings {
    let shared = Arc::clone(shared);
    LiveSettings::new(settings.clone(), move |settings| {
        let counted = shared.options.get().auto_max_tokens;
        if settings.proxy.auto_max_tokens && !counted {
            warm_up();
        }
        let rules = Rules::clone(&shared.shaping.rules.get());
        shared.shaping.rules.publish(Rules { cache_control: settings.proxy.cache_control, ..rules });
        shared.options.publish(data_options(settings, deadlines));
        shared.pool.steer(choices(settings));
        shared.usage.keep_for(settings.usage.retention_days);
        logging::change(&settings.log);
    })
}
