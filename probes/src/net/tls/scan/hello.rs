//! A client's hello for one version (RFC 5246 section 7.4.1.2, RFC 8446 section 4.1.2).

use rustls_pki_types::ServerName;

use crate::net::tls::settings::TlsVersion;

/// Suites up to TLS 1.2, the strong ones first: what servers of twenty years have. Those without a key exchange that
/// keeps secrets, without encryption or for export are left out, but for RC4 and 3DES, which old servers are left with.
const SUITES: [u16; 36] = [
    0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, // ECDHE with AES-GCM, ChaCha20
    0x009e, 0x009f, 0xccaa, // DHE with AES-GCM, ChaCha20
    0xc023, 0xc027, 0xc024, 0xc028, // ECDHE with AES-CBC, SHA-2
    0xc009, 0xc013, 0xc00a, 0xc014, // ECDHE with AES-CBC, SHA-1
    0x0067, 0x006b, 0x0033, 0x0039, 0x0032, 0x0038, // DHE with AES-CBC
    0x009c, 0x009d, 0x003c, 0x003d, 0x002f, 0x0035, // RSA with AES
    0x0041, 0x0084, // RSA with Camellia
    0xc008, 0xc012, 0x0016, 0x000a, // 3DES
    0x0005, // RC4
];

/// Suites of TLS 1.3 (RFC 8446 appendix B.4).
const SUITES_13: [u16; 3] = [0x1301, 0x1302, 0x1303];

/// "I can renegotiate safely" (RFC 5746 section 3.3); some servers talk to nobody else.
const RENEGOTIATION_SCSV: u16 = 0x00ff;

/// x25519, secp256r1, secp384r1, secp521r1 (RFC 8422 section 5.1.1).
const GROUPS: [u16; 4] = [0x001d, 0x0017, 0x0018, 0x0019];

/// ECDSA, RSA-PSS and RSA with SHA-2 and SHA-1 (RFC 8446 section 4.2.3).
const SIGNATURES: [u16; 12] =
    [0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201, 0x0202];

/// The record with the hello. `random` is what makes it unlike others.
pub(super) fn client_hello(version: TlsVersion, name: Option<&ServerName<'_>>, random: [u8; 32]) -> Vec<u8> {
    let is_13 = version == TlsVersion::Tls13;
    let legacy = version.min(TlsVersion::Tls12).number();
    let mut body = legacy.to_be_bytes().to_vec();
    body.extend_from_slice(&random);
    body.push(0); // no session to resume
    let mut suites = if is_13 { SUITES_13.to_vec() } else { SUITES.to_vec() };
    suites.push(RENEGOTIATION_SCSV);
    with_length(&mut body, 2, |body| numbers(body, &suites));
    body.extend_from_slice(&[1, 0]); // one compression method: none
    with_length(&mut body, 2, |extensions| extend(extensions, version, name));

    let mut message = vec![1];
    with_length(&mut message, 3, |message| message.extend_from_slice(&body));
    // The record names an old version, as RFC 8446 section 5.1 advises: old servers look at it.
    let mut record = vec![22, 3, 1];
    with_length(&mut record, 2, |record| record.extend_from_slice(&message));
    record
}

fn extend(out: &mut Vec<u8>, version: TlsVersion, name: Option<&ServerName<'_>>) {
    if let Some(ServerName::DnsName(name)) = name {
        extension(out, 0, |out| {
            with_length(out, 2, |out| {
                out.push(0);
                with_length(out, 2, |out| out.extend_from_slice(name.as_ref().as_bytes()));
            });
        });
    }
    extension(out, 10, |out| with_length(out, 2, |out| numbers(out, &GROUPS)));
    extension(out, 11, |out| out.extend_from_slice(&[1, 0])); // points uncompressed
    if version >= TlsVersion::Tls12 {
        extension(out, 13, |out| with_length(out, 2, |out| numbers(out, &SIGNATURES)));
    }
    if version == TlsVersion::Tls13 {
        extension(out, 43, |out| with_length(out, 1, |out| numbers(out, &[version.number()])));
        // No key yet: the server asks for one, and has told its version (RFC 8446 section 4.2.8).
        extension(out, 51, |out| numbers(out, &[0]));
    }
}

fn extension(out: &mut Vec<u8>, number: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    numbers(out, &[number]);
    with_length(out, 2, fill);
}

fn numbers(out: &mut Vec<u8>, numbers: &[u16]) {
    out.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
}

/// Writes what `fill` writes, led by its length in so many bytes.
fn with_length(out: &mut Vec<u8>, bytes: usize, fill: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.resize(at + bytes, 0);
    fill(out);
    let length = (out.len() - at - bytes).to_be_bytes();
    out[at..at + bytes].copy_from_slice(&length[length.len() - bytes..]);
}
