//! Whether the settings' `origin` is the name that the certificates know.

use crate::identity::authority::trust_domain_of;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::Path;

/// Refuses roots (PEM, of `file`) that are all known to be for other trust domains than `origin`. A root that
/// `safeconduct ca` did not make does not tell, and passes.
pub(super) fn fits_roots(origin: &str, roots: &str, file: &Path) -> Result<(), String> {
    let ders = CertificateDer::pem_slice_iter(roots.as_bytes()).filter_map(Result::ok);
    let domains: Vec<Option<String>> = ders.map(|der| trust_domain_of(&der)).collect();
    let may_be = |domain: &Option<String>| domain.as_deref().is_none_or(|name| name == origin);
    match domains.first() {
        Some(Some(other)) if !domains.iter().any(may_be) => Err(format!(
            "origin is {origin}, but {} is the authority of {other}: no agency's certificate would fit. Before \
             `router init` write origin = \"{other}\"; after it put back the origin and the roots that the log began \
             with",
            file.display()
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;
    use crate::exchange::SystemRandom;
    use crate::identity::authority::Authority;

    fn root(domain: &str) -> String {
        let now = Timestamp::from_seconds(1_800_000_000).unwrap();
        let authority = Authority::create(domain, now, &mut SystemRandom).unwrap();
        authority.root_pem().to_owned()
    }

    #[test]
    fn roots_of_another_trust_domain_are_refused_with_its_name() {
        let (file, other) = (Path::new("ca/root.pem"), root("other.example"));
        let refused = fits_roots("safeconduct.example", &other, file).unwrap_err();
        assert!(refused.contains("origin = \"other.example\""), "{refused}");
        assert!(refused.contains("ca/root.pem"), "{refused}");
        fits_roots("other.example", &other, file).unwrap();
        let both = format!("{other}{}", root("safeconduct.example"));
        fits_roots("safeconduct.example", &both, file).unwrap();
        fits_roots("safeconduct.example", "", file).unwrap();
    }
}
