//! What makes two requests with one request id the same request.

use crate::domain::transcript::transcript;
use aws_lc_rs::digest::{SHA256, digest};

/// SHA-256 over the method and the message as we encode it.
///
/// The message is encoded afresh, fields in order of their tags and with the request id in it, so that two clients'
/// encodings of the same content are one request. Unknown tags do not survive decoding: they are neither hashed, nor
/// stored, nor passed on (invariant 20), and a newer client may send them (invariant 30). Signed statements are opaque
/// bytes inside the message and are hashed exactly as they came.
#[must_use]
pub fn body_hash(method: &str, message: &impl prost::Message) -> [u8; 32] {
    let body = message.encode_to_vec();
    let mut hash = [0; 32];
    hash.copy_from_slice(
        digest(
            &SHA256,
            &transcript(&[b"safeconduct/v1/request", method.as_bytes(), &body]),
        )
        .as_ref(),
    );
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::AcknowledgeOfferRequest;
    use prost::Message;

    #[test]
    fn order_of_tags_and_unknown_tags_make_no_difference_but_content_and_method_do() {
        let request = AcknowledgeOfferRequest {
            name: "agencies/a/offers/b".into(),
            request_id: "id".into(),
        };
        let tidy = request.encode_to_vec();
        // The second field first, then an unknown field 15, then the first.
        let mut untidy = vec![0x12, 2, b'i', b'd', 0x7a, 1, b'x'];
        untidy.extend_from_slice(&tidy[..2 + request.name.len()]);
        let decoded = AcknowledgeOfferRequest::decode(&*untidy).expect("valid protobuf");
        assert_eq!(body_hash("m", &request), body_hash("m", &decoded));
        assert_ne!(body_hash("m", &request), body_hash("n", &request));
        let other = AcknowledgeOfferRequest {
            name: "agencies/a/offers/c".into(),
            ..request.clone()
        };
        assert_ne!(body_hash("m", &request), body_hash("m", &other));
    }
}
