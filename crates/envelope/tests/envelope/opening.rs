//! Whose keys open a record, and how many of them are asked.

use pollster::block_on;
use strongroom_envelope::{
    DataKey, HeaderError, KmsError, MAX_COMPACT, MAX_KMS_CALLS, MAX_WRAPS, OpenError, Recipient,
    SealError, inspect, open, seal,
};

use super::{Local, Scripted, context, key_ref, opened, record, tenant, wrap, wraps_of};

#[test]
fn any_one_recipient_opens() {
    let local = Local::new();
    let (root, name, stranger) = (key_ref("root"), key_ref("other"), key_ref("stranger"));
    let first = Recipient::new(&local.first, &root);
    let second = Recipient::new(&local.second, &name);
    let sealed = block_on(seal(&[first, second], &tenant(), &context(), b"text")).unwrap();
    let names: Vec<_> = wraps_of(&sealed).into_iter().map(|w| w.key_ref).collect();
    assert_eq!(names, [root.clone(), name.clone()]);
    for recipients in [vec![first], vec![second], vec![first, second]] {
        let opened = block_on(open(&recipients, &tenant(), &context(), &sealed)).unwrap();
        assert_eq!(opened.as_slice(), b"text");
    }
    // The names are there, the keys under them are not those that wrapped.
    let wrong = [
        Recipient::new(&local.second, &root),
        Recipient::new(&local.first, &name),
        Recipient::new(&local.first, &stranger),
    ];
    for recipients in [&wrong[..], &wrong[..1], &wrong[1..2], &wrong[2..], &[]] {
        let opened = block_on(open(recipients, &tenant(), &context(), &sealed));
        assert_eq!(opened.unwrap_err(), OpenError::Failed);
    }
}

#[test]
fn nothing_is_sealed_to_a_part_of_the_recipients() {
    let local = Local::new();
    let (root, stranger) = (key_ref("root"), key_ref("stranger"));
    let known = Recipient::new(&local.first, &root);
    let unknown = Recipient::new(&local.second, &stranger);
    for recipients in [[known, unknown], [unknown, known]] {
        let sealed = block_on(seal(&recipients, &tenant(), &context(), b"text"));
        assert_eq!(sealed, Err(SealError::Kms(KmsError::NotFound)));
        let generated = block_on(DataKey::generate(&recipients, &tenant()));
        assert_eq!(generated.unwrap_err(), SealError::Kms(KmsError::NotFound));
    }
}

#[test]
fn the_number_of_recipients_is_bounded_before_any_call() {
    let (kms, root) = (Scripted::new(1, &[]), key_ref("root"));
    let root = Recipient::new(&kms, &root);
    for recipients in [vec![], vec![root; MAX_WRAPS + 1]] {
        let sealed = block_on(seal(&recipients, &tenant(), &context(), b"text"));
        assert_eq!(sealed, Err(SealError::Recipients));
    }
    assert_eq!(*kms.wraps.lock().unwrap(), 0);
    let sealed = block_on(seal(&[root; MAX_WRAPS], &tenant(), &context(), b"text"));
    assert_eq!(wraps_of(&sealed.unwrap()).len(), MAX_WRAPS);
}

#[test]
fn what_is_not_allowed_is_passed_over_without_a_call() {
    let sealed = record(&[
        wrap(1, "other", 0),
        wrap(1, "root2", 1),
        wrap(1, "roo", 2),
        wrap(1, "ROOT", 3),
        wrap(2, "root", 4),
        wrap(128, "root", 5),
        wrap(1, "root", 6),
    ]);
    let (result, calls) = opened(&[Ok(9); 7], &sealed);
    assert_eq!(result.unwrap(), b"text");
    assert_eq!(calls, [6]);

    let sealed = record(&[wrap(1, "other", 0), wrap(3, "root", 1)]);
    let (result, calls) = opened(&[Ok(9); 2], &sealed);
    assert_eq!(result, Err(OpenError::Failed));
    assert!(calls.is_empty());
}

#[test]
fn each_wrap_is_taken_to_the_kms_of_its_provider() {
    let (local, aws) = (
        Scripted::new(1, &[Ok(1), Ok(9)]),
        Scripted::new(3, &[Ok(9), Ok(1)]),
    );
    let root = key_ref("root");
    let recipients = [Recipient::new(&local, &root), Recipient::new(&aws, &root)];
    let sealed = record(&[wrap(3, "root", 1), wrap(1, "root", 1)]);
    let opened = block_on(open(&recipients, &tenant(), &context(), &sealed));
    assert_eq!(opened.unwrap().as_slice(), b"text");
    assert_eq!((local.calls(), aws.calls()), (vec![1], vec![1]));
}

#[test]
fn at_most_two_calls_are_made() {
    assert_eq!(MAX_KMS_CALLS, 2);
    let wraps: Vec<_> = (0..16).map(|version| wrap(1, "root", version)).collect();
    for answer in [Ok(1), Err(KmsError::ContextMismatch)] {
        let (result, calls) = opened(&[answer; 16], &record(&wraps));
        assert_eq!(result, Err(OpenError::Failed));
        assert_eq!(calls, [0, 1]);
    }
    // The calls of all recipients together.
    let (local, aws) = (Scripted::new(1, &[Ok(1)]), Scripted::new(3, &[Ok(1)]));
    let root = key_ref("root");
    let recipients = [Recipient::new(&local, &root), Recipient::new(&aws, &root)];
    let wraps = [
        wrap(1, "root", 0),
        wrap(3, "root", 0),
        wrap(1, "root", 0),
        wrap(3, "root", 0),
    ];
    let opened = block_on(open(&recipients, &tenant(), &context(), &record(&wraps)));
    assert_eq!(opened.unwrap_err(), OpenError::Failed);
    assert_eq!((local.calls().len(), aws.calls().len()), (1, 1));
}

#[test]
fn no_call_is_made_for_what_is_no_record() {
    let good = record(&[wrap(1, "root", 0)]);
    let (_, calls) = opened(&[Ok(9)], &good);
    assert_eq!(calls, [0]);
    let body = inspect(&good).unwrap().front_bytes;
    for length in 0..body + 76 {
        let (result, calls) = opened(&[Ok(9)], &good[..length]);
        assert!(matches!(result, Err(OpenError::Header(_))), "{length}");
        assert!(calls.is_empty(), "{length}");
    }
    let mut long = good.clone();
    long.resize(body + 76 + MAX_COMPACT + 1, 0);
    let (result, calls) = opened(&[Ok(9)], &long);
    assert_eq!(result, Err(OpenError::Header(HeaderError::BodyTooLong)));
    assert!(calls.is_empty());
}

#[test]
fn only_what_may_pass_is_told_apart_from_failure() {
    let sealed = record(&[wrap(1, "root", 0), wrap(1, "root", 1)]);
    for (error, expected) in [
        (KmsError::Throttled, OpenError::Kms(KmsError::Throttled)),
        (KmsError::Unavailable, OpenError::Kms(KmsError::Unavailable)),
        (KmsError::Denied, OpenError::Failed),
        (KmsError::NotFound, OpenError::Failed),
        (KmsError::AlreadyExists, OpenError::Failed),
        (KmsError::Disabled, OpenError::Failed),
        (KmsError::ContextMismatch, OpenError::Failed),
    ] {
        assert_eq!(error.is_retryable(), expected != OpenError::Failed);
        for answers in [
            [Err(error), Err(KmsError::Denied)],
            [Err(KmsError::Denied), Err(error)],
            [Err(error), Ok(1)],
        ] {
            let (result, calls) = opened(&answers, &sealed);
            assert_eq!(result, Err(expected), "{error}");
            assert_eq!(calls, [0, 1]);
        }
        let (result, _) = opened(&[Err(error), Ok(9)], &sealed);
        assert_eq!(result.unwrap(), b"text", "{error}");
    }
}

#[test]
fn a_kms_that_answers_for_another_key_is_not_believed() {
    for claims in [(1, "other"), (2, "root"), (1, "Root")] {
        let kms = Scripted {
            claims,
            ..Scripted::new(1, &[])
        };
        let root = key_ref("root");
        let root = Recipient::new(&kms, &root);
        let sealed = block_on(seal(&[root], &tenant(), &context(), b"text"));
        assert_eq!(sealed, Err(SealError::Wrap), "{claims:?}");
        let generated = block_on(DataKey::generate(&[root], &tenant()));
        assert_eq!(generated.unwrap_err(), SealError::Wrap, "{claims:?}");
    }
}

#[test]
fn futures_can_move_between_threads() {
    fn movable<T: Send>(_: T) {}
    let (kms, root, tenant, context) =
        (Scripted::new(1, &[]), key_ref("root"), tenant(), context());
    let root = [Recipient::new(&kms, &root)];
    movable(seal(&root, &tenant, &context, b"text"));
    movable(open(&root, &tenant, &context, b"sealed"));
    movable(DataKey::generate(&root, &tenant));
}
