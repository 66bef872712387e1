//! When everything is quiet, every device holds exactly what the store holds in its scopes: records, versions, contents.

use super::Observed;

/// Names records that differ.
#[must_use]
pub fn check(observed: &Observed) -> Vec<String> {
    let mut faults = Vec::new();
    for device in &observed.devices {
        for scope in &device.scopes {
            let (store, own) = (observed.state.get(scope), device.records.get(scope));
            for (key, (version, body)) in store.into_iter().flatten() {
                match own.and_then(|own| own.get(key)) {
                    None => faults.push(format!("{} lacks {key:?}, version {version}", device.name)),
                    Some((own_version, own_body)) if (own_version, own_body) != (version, body) => {
                        faults.push(format!(
                            "{} holds {key:?} as version {own_version} {own_body}; the store as version {version} {body}",
                            device.name
                        ));
                    }
                    Some(_) => {}
                }
            }
            for key in
                own.into_iter().flat_map(|own| own.keys()).filter(|key| store.is_none_or(|store| !store.contains_key(*key)))
            {
                faults.push(format!("{} holds {key:?}, which the store does not", device.name));
            }
        }
    }
    faults
}
