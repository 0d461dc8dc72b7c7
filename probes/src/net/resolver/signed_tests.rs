//! Answers of signed zones, and of zones that are signed wrongly.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::{CNAME, MX, SOA};

use super::tree::{Tree, name};
use super::*;
use crate::recorder::Recorder;
use crate::testkit::Responder;

const BRIEF: Duration = Duration::from_millis(300);

fn resolver(server: &Responder, anchors: &str) -> Resolver {
    let anchors = Anchors::read(anchors).expect("anchors");
    let resolver = Resolver::build(&[server.address()], Hosts::default(), Vec::new(), 1, BRIEF).expect("a resolver");
    resolver.with_anchors(Arc::new(anchors))
}

/// What became of a question: its truth and doubt, or the reason, the truth and the sentence of a failure.
async fn asked(server: &Responder, anchors: &str, name: &str, kind: RecordType) -> String {
    match resolver(server, anchors).answer(name, kind).await {
        Ok(answer) => {
            let alias = if answer.is_alias { " alias" } else { "" };
            let doubt = answer.doubt().map(|doubt| format!(": {doubt}")).unwrap_or_default();
            format!("{:?}{alias}, {} records{doubt}", answer.security(false), answer.data.len())
        }
        Err(error) => {
            let message = error.message.replace(&server.address().to_string(), "SERVER");
            format!("{} {:?}: {message}", error.reason, error.security)
        }
    }
}

fn unchanged(_: &Name, _: RecordType, _: &mut Message) -> bool {
    true
}

/// What becomes of the question for the mail hosts of `signed.test.` if a reply is changed.
async fn changed(
    tree: Tree,
    change: impl Fn(&Name, RecordType, &mut Message) -> bool + Send + Sync + 'static,
) -> (String, usize) {
    let anchor = tree.anchor(".");
    let server = tree.serve(change).await;
    let found = asked(&server, &anchor, "signed.test.", RecordType::MX).await;
    (found.replace(&server.address().to_string(), "SERVER"), server.heard().len())
}

#[tokio::test]
async fn what_is_signed_is_proved_from_the_root_on_and_what_is_not_is_proved_to_be_bare() {
    let tree = Tree::new();
    let anchor = tree.anchor(".");
    let server = tree.serve(unchanged).await;
    for (name, kind, expected) in [
        ("signed.test.", RecordType::MX, "Secure, 1 records"),
        ("_25._tcp.mail.signed.test.", RecordType::TLSA, "Secure, 1 records"),
        ("inner.signed.test.", RecordType::MX, "Secure alias, 1 records"),
        ("bare.test.", RecordType::MX, "Insecure, 1 records"),
        ("outer.signed.test.", RecordType::MX, "Insecure alias, 1 records"),
        ("signed.test.", RecordType::TLSA, "dns_nodata Secure: signed.test.: has no TLSA record"),
        ("mail.signed.test.", RecordType::A, "dns_nodata Secure: mail.signed.test.: has no A record"),
        ("inner.signed.test.", RecordType::TLSA, "dns_nodata Secure: inner.signed.test.: has no TLSA record"),
        ("bare.test.", RecordType::TLSA, "dns_nodata Insecure: bare.test.: has no TLSA record"),
        ("a.b.bare.test.", RecordType::TLSA, "dns_nodata Insecure: a.b.bare.test.: has no TLSA record"),
        ("loop.signed.test.", RecordType::MX, "dns_error Unknown: loop.signed.test.: more than 8 aliases lead to it"),
    ] {
        let before = server.heard().len();
        assert_eq!(asked(&server, &anchor, name, kind).await, expected);
        let questions = server.heard().len() - before;
        assert!(questions <= 12, "{name} {kind}: {questions} questions");
    }
}

#[tokio::test]
async fn what_is_signed_wrongly_is_told_with_its_name_and_the_reason() {
    let bogus =
        |why: &str| format!("dns_bogus Unknown: signed.test.: its answer is not to be believed (DNSSEC): {why}");
    let mut expired = Tree::new();
    expired.zone("signed.test.").window = (3 * 86_400, -86_400);
    let (found, _) = changed(expired, unchanged).await;
    let begin = bogus("the signature of signed.test. DNSKEY ended on 2");
    assert!(found.starts_with(&begin) && found.ends_with(" UTC"), "{found}");

    let mut early = Tree::new();
    early.zone("test.").window = (-86_400, 3 * 86_400);
    let (found, _) = changed(early, unchanged).await;
    let begin = bogus("the signature of test. DNSKEY begins only on 2");
    assert!(found.starts_with(&begin), "{found}");

    let mut severed = Tree::new();
    severed.is_severed = Some(name("signed.test."));
    let (found, _) = changed(severed, unchanged).await;
    assert_eq!(found, bogus("zone signed.test. has none of the keys that its parent vouches for"));

    let (found, _) = changed(Tree::new(), |name, kind, reply| {
        if kind == RecordType::MX {
            reply.answers[0].data = RData::MX(MX::new(10, name.clone()));
        }
        true
    })
    .await;
    assert_eq!(found, bogus("the signature of signed.test. MX does not fit the key of zone signed.test."));

    let is_signature = |record: &Record| record.record_type() == RecordType::RRSIG;
    let (found, _) = changed(Tree::new(), move |_, kind, reply| {
        if kind == RecordType::MX {
            reply.answers.retain(|record| !is_signature(record));
        }
        true
    })
    .await;
    assert_eq!(found, bogus("signed.test. MX has no signature, although its zone is signed"));

    // Records that are hidden, and a denial without proof.
    let (found, _) = changed(Tree::new(), |_, kind, reply| {
        if kind == RecordType::MX {
            reply.answers.clear();
        }
        true
    })
    .await;
    assert_eq!(found, bogus("nothing proves that there is no signed.test. MX, although its zone is signed"));

    // A zone that is not signed speaks for one that is.
    let soa = RData::SOA(SOA::new(name("a."), name("a."), 1, 1, 1, 1, 1));
    let (found, _) = changed(Tree::new(), move |_, kind, reply| {
        if kind == RecordType::MX {
            reply.answers.clear();
            reply.authorities = vec![Record::from_rdata(name("bare.test."), 60, soa.clone())];
        }
        true
    })
    .await;
    assert_eq!(found, bogus("nothing proves that there is no signed.test. MX, although its zone is signed"));

    // An alias that the zone does not have leads to a zone that is signed.
    let (found, _) = changed(Tree::new(), |asked, kind, reply| {
        if kind == RecordType::MX && *asked == name("signed.test.") {
            let alias = RData::CNAME(CNAME(name("inner.signed.test.")));
            reply.answers = vec![Record::from_rdata(asked.clone(), 60, alias)];
        }
        true
    })
    .await;
    let alias = "dns_bogus Unknown: signed.test.: its answer is an alias that signed.test. does not have (DNSSEC)";
    assert_eq!(found, alias);

    // Nobody signs the code of a reply.
    let (found, _) = changed(Tree::new(), |_, kind, reply| {
        if kind == RecordType::MX {
            reply.metadata.response_code = ResponseCode::NXDomain;
        }
        true
    })
    .await;
    assert_eq!(found, "Secure, 1 records");

    // A zone that hides that it is signed.
    let (found, _) = changed(Tree::new(), move |name, kind, reply| {
        if name.num_labels() == 2 && kind != RecordType::DS {
            reply.answers.retain(|record| !is_signature(record) && record.record_type() != RecordType::DNSKEY);
            reply.authorities.retain(|record| record.record_type() == RecordType::SOA);
        }
        true
    })
    .await;
    assert!(found.starts_with("dns_bogus"), "{found}");
}

#[tokio::test]
async fn a_chain_with_a_gap_is_unknown_whoever_makes_it() {
    for (gap, kind) in [
        (".", RecordType::DNSKEY),
        ("test.", RecordType::DS),
        ("test.", RecordType::DNSKEY),
        ("signed.test.", RecordType::DS),
        ("signed.test.", RecordType::DNSKEY),
    ] {
        let clock = Recorder::start(BRIEF);
        let silent = move |name: &Name, asked: RecordType, _: &mut Message| name.to_ascii() != gap || asked != kind;
        let (found, questions) = changed(Tree::new(), silent).await;
        let why = format!("no answer from name server SERVER to the question for {gap} {kind}");
        assert_eq!(found, format!("Unknown, 1 records: {why}"));
        assert!(clock.elapsed() < 20 * BRIEF && questions < 12, "{:?}, {questions}", clock.elapsed());

        let (found, _) = changed(Tree::new(), move |name, asked, reply| {
            if name.to_ascii() == gap && asked == kind {
                reply.metadata.response_code = ResponseCode::ServFail;
                reply.answers.clear();
            }
            true
        })
        .await;
        let why = format!("name server SERVER says Server Failure to the question for {gap} {kind}");
        assert_eq!(found, format!("Unknown, 1 records: {why}"));
    }
}

#[tokio::test]
async fn a_server_that_knows_no_signatures_leaves_everything_unknown_after_one_question() {
    let (found, questions) = changed(Tree::new(), |_, _, reply| {
        reply.edns = None;
        true
    })
    .await;
    assert_eq!((found.as_str(), questions), ("Unknown, 1 records: name server SERVER gives no signatures (DNSSEC)", 1));
}

#[tokio::test]
async fn a_proof_takes_no_more_than_so_many_questions_and_records() {
    let mut tree = Tree::new();
    let anchor = tree.anchor(".");
    let deep = "a.".repeat(60) + "bare.test.";
    tree.zone("bare.test.").records.push((name(&deep), RData::MX(MX::new(10, Name::root()))));
    let server = tree.serve(unchanged).await;
    let found = asked(&server, &anchor, &deep, RecordType::MX).await;
    assert_eq!(found, "Unknown, 1 records: its proof needs more than 40 questions");
    assert!(server.heard().len() <= 41, "{}", server.heard().len());

    let (found, _) = changed(Tree::new(), |_, kind, reply| {
        if kind == RecordType::DNSKEY {
            let more = vec![reply.answers[0].clone(); 300];
            reply.answers.extend(more);
        }
        true
    })
    .await;
    // A datagram takes no such reply, and this server knows no TCP.
    assert!(found.starts_with("Unknown, 1 records: "), "{found}");
}

#[tokio::test]
async fn a_zone_may_be_trusted_by_its_own_key_or_digest() {
    for with_digest in [false, true] {
        let tree = Tree::new();
        let anchor = if with_digest { tree.digest("signed.test.") } else { tree.anchor("signed.test.") };
        // Nothing above it can be asked.
        let below = |name: &Name, _: RecordType, _: &mut Message| name.num_labels() > 1;
        let server = tree.serve(below).await;
        assert_eq!(asked(&server, &anchor, "signed.test.", RecordType::MX).await, "Secure, 1 records");
        let found = asked(&server, &anchor, "signed.test.", RecordType::TLSA).await;
        assert_eq!(found, "dns_nodata Secure: signed.test.: has no TLSA record");
        let found = asked(&server, &anchor, "bare.test.", RecordType::MX).await;
        assert!(found.starts_with("Unknown, 1 records: no answer from name server "), "{found}");
    }
    let (tree, other) = (Tree::new(), Tree::new());
    let server = tree.serve(unchanged).await;
    let found = asked(&server, &other.anchor("signed.test."), "signed.test.", RecordType::MX).await;
    let bogus = "dns_bogus Unknown: signed.test.: its answer is not to be believed (DNSSEC): ";
    assert_eq!(found, format!("{bogus}none of the keys of zone signed.test. is a trust anchor"));
    let found = asked(&server, &other.anchor("bare.test."), "bare.test.", RecordType::MX).await;
    let bogus = "dns_bogus Unknown: bare.test.: its answer is not to be believed (DNSSEC): ";
    assert_eq!(found, format!("{bogus}zone bare.test. has no keys, although one is a trust anchor"));
}

#[tokio::test]
async fn the_word_of_a_server_on_this_machine_is_enough_for_good_and_is_looked_into_for_bad() {
    let (found, questions) = changed(Tree::new(), |_, _, reply| {
        reply.metadata.authentic_data = true;
        true
    })
    .await;
    assert_eq!((found.as_str(), questions), ("Secure, 1 records", 1));

    // As servers that verify do with what they find wrong.
    let mut expired = Tree::new();
    expired.zone("signed.test.").window = (3 * 86_400, -86_400);
    let (found, _) = changed(expired, |_, _, reply| {
        if !reply.metadata.checking_disabled {
            reply.metadata.response_code = ResponseCode::ServFail;
            reply.answers.clear();
        }
        true
    })
    .await;
    assert!(found.contains("the signature of signed.test. DNSKEY ended on "), "{found}");
}

#[test]
fn anchors_are_read_from_records_as_zone_files_have_them() {
    let text = "; keys\n\
        .\tDNSKEY 257 3 8 AwEAAQ== ; the root's\n\n\
        example.org. 3600 IN DS 12345 13 2 (\n  00112233 ; a digest\n  44AABBcc )\n";
    let anchors = Anchors::read(text).expect("anchors");
    assert_eq!(anchors.closest(&name("www.example.org.")), &name("example.org."));
    assert_eq!(anchors.closest(&name("www.example.com.")), &Name::root());
    for (text, place, message) in [
        ("; none\n", 0, "there is no trust anchor"),
        ("example.org DS 1 13 2 00", 0, "`example.org` is not the name of a zone with a dot at its end"),
        ("a. IN DS 10 13 2", 15, "the record ends too early"),
        ("a.", 0, "the record ends too early"),
        ("a. TXT 1 2 3 4", 3, "`TXT` is not the type of a trust anchor: DS or DNSKEY"),
        ("a. DS x 13 2 00", 6, "`x` is not the tag of a key"),
        ("a. DS 1 1 2 00", 8, "`1` is not the number of an algorithm that can be verified here"),
        ("a. DS 1 13 9 00", 11, "`9` is not the type of a digest: 1, 2 or 4"),
        ("a. DS 1 13 2 0", 13, "`0` is not a digest in hexadecimal digits"),
        ("a. DNSKEY 0 3 8 AwEAAQ==", 10, "`0` is not the flags of a key that zones are signed with: 257, or 256"),
        ("a. DNSKEY 257 1 8 AwEAAQ==", 14, "`1` is not the protocol of DNSSEC keys, which is 3"),
        ("a. DNSKEY 257 3 8 A!", 18, "`A!` is not a key in base64"),
        ("\na. DS 1 13 2 ( 00", 14, "this `(` is not closed"),
        ("a. )", 3, "a `)` too many"),
    ] {
        let fault = Anchors::read(text).expect_err(text);
        assert_eq!((fault.message.as_str(), fault.place), (message, place), "{text}");
    }
    let many = "a. DS 1 13 2 00\n".repeat(101);
    assert_eq!(Anchors::read(&many).expect_err("too many").message, "more than 100 trust anchors");
}
