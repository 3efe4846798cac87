//! A broker that lets nobody in but its users, encrypted, and lets them do only what an ACL allows.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// The user who may do everything.
pub(super) const ADMIN: &str = "admin";

/// The password of a user.
pub(super) fn password(user: &str) -> String {
    format!("{user}-secret")
}

/// Makes what the broker and its clients trust.
///
/// # Panics
/// If `openssl` is not there.
pub(super) fn make_certificates(folder: &Path) {
    #[expect(clippy::disallowed_methods, reason = "certificates are made by openssl")]
    let made = Command::new("sh")
        .args(["-c", include_str!("certificates.sh"), "certificates.sh"])
        .arg(folder)
        .status()
        .expect("a shell starts");
    assert!(made.success(), "no certificates; what openssl said is above");
}

/// Arguments of the tool that formats the log: the users.
pub(super) fn format_options(users: &[&str]) -> String {
    let users = users.iter().chain([&ADMIN]);
    users.fold(String::new(), |mut options, user| {
        let password = password(user);
        writeln!(options, "--add-scram SCRAM-SHA-512=[name={user},password={password}]")
            .expect("a string takes whatever is written");
        options
    })
}

/// What a secured broker has beyond a plain one. What brokers say among themselves is plain, on loopback.
pub(super) fn properties(folder: &Path) -> String {
    format!(
        "ssl.keystore.type=PEM
ssl.keystore.location={}
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.clients.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:{ADMIN};User:ANONYMOUS
",
        folder.join("broker.pem").display()
    )
}
