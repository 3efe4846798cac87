//! The ACLs of a cluster, beside those that its users need.

use std::collections::BTreeSet;
use std::fmt;

use krafka::admin::{
    AclBinding, AclFilter, AclOperation, AclPatternType, AclPermissionType, AclResourceType,
    AdminClient, CreateAclsOptions, DescribeAclsOptions,
};

use panofleet_job_schema::{Lane, Region};

use super::super::topics::{Difference, LOOK_EVERY, mark_applied};
use super::super::{KafkaConfig, clients};
use super::{Acl, Operation, Resource, acls_of};
use crate::BusError;

/// What the users named in the settings lack, and what they may do beyond their roles. Changes nothing.
///
/// # Errors
/// [`BusError`].
pub async fn check(
    config: &KafkaConfig,
    regions: &[Region],
    lanes: &[Lane],
) -> Result<Vec<Difference>, BusError> {
    let admin = clients::admin(config).await?;
    Ok(clients::within(config.timeout.0, compare(&admin, config, (regions, lanes))).await?.0)
}

/// Gives the users named in the settings what they lack, and returns it, together with what they may do beyond their
/// roles. Its own user has to be allowed to alter the cluster.
///
/// # Errors
/// [`BusError`]; then some of it may be done.
pub async fn apply(
    config: &KafkaConfig,
    regions: &[Region],
    lanes: &[Lane],
) -> Result<Vec<Difference>, BusError> {
    let admin = clients::admin(config).await?;
    let applying = async {
        let (mut differences, missing) = compare(&admin, config, (regions, lanes)).await?;
        if !missing.is_empty() {
            for (_, made) in admin.create_acls(missing, CreateAclsOptions::default()).await? {
                made?;
            }
        }
        mark_applied(&mut differences);
        while !compare(&admin, config, (regions, lanes)).await?.1.is_empty() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok::<_, BusError>(differences)
    };
    clients::within(config.timeout.0, applying).await
}

/// What is not as it should be, and what is missing.
async fn compare(
    admin: &AdminClient,
    config: &KafkaConfig,
    fleet: (&[Region], &[Lane]),
) -> Result<(Vec<Difference>, Vec<AclBinding>), BusError> {
    let roles = config.users.roles();
    let users: BTreeSet<&str> = roles.iter().map(|(user, _)| *user).collect();
    let (mut differences, mut missing) = (Vec::new(), Vec::new());
    for user in users {
        let own = roles.iter().filter(|(of, _)| *of == user);
        let wanted: BTreeSet<Acl> =
            own.flat_map(|(_, role)| acls_of(config, fleet, role)).collect();
        let filter = AclFilter::for_principal(principal(user));
        let found: Vec<Found> = admin
            .describe_acls(filter, DescribeAclsOptions::default())
            .await?
            .into_iter()
            .filter(|binding| binding.permission_type == AclPermissionType::Allow)
            .map(Found::of)
            .collect();
        for acl in &wanted {
            if !found.iter().any(|found| found.is(acl)) {
                missing.push(binding(user, acl));
                differences.push(difference(user, acl.to_string(), None, "allowed", None));
            }
        }
        for found in &found {
            if !wanted.iter().any(|acl| found.is(acl)) {
                let advice = Some("not needed; take it away by hand if nothing else needs it");
                let found = (found.to_string(), Some("allowed".to_owned()));
                differences.push(difference(user, found.0, found.1, "nothing", advice));
            }
        }
    }
    Ok((differences, missing))
}

/// An ACL of the cluster's.
struct Found(AclBinding);

impl Found {
    const fn of(binding: AclBinding) -> Self {
        Self(binding)
    }

    fn is(&self, acl: &Acl) -> bool {
        let wanted = binding("", acl);
        self.0.host == wanted.host
            && (self.0.resource_type, &self.0.resource_name, self.0.pattern_type, self.0.operation)
                == (
                    wanted.resource_type,
                    &wanted.resource_name,
                    wanted.pattern_type,
                    wanted.operation,
                )
    }
}

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AclBinding { operation, resource_type, resource_name, pattern_type, host, .. } =
            &self.0;
        let pattern = if pattern_type.to_i8() == LITERAL { "" } else { " and others by a pattern" };
        write!(formatter, "{operation:?} {resource_type:?} {resource_name}{pattern}")?;
        if host == ANY_HOST { Ok(()) } else { write!(formatter, " from {host}") }
    }
}

const ANY_HOST: &str = "*";

/// Kafka's number for a name that is meant as it stands. krafka 0.28.1 gives its names to the wrong numbers (its
/// `Literal` is Kafka's `MATCH`, and there is none for a prefix), so that the number is what counts here.
const LITERAL: i8 = 3;

fn principal(user: &str) -> String {
    format!("User:{user}")
}

fn difference(
    user: &str,
    setting: String,
    found: Option<String>,
    wanted: &str,
    advice: Option<&'static str>,
) -> Difference {
    let (name, wanted) = (principal(user), wanted.to_owned());
    Difference { name, setting, found, wanted, applied: false, advice }
}

fn binding(user: &str, acl: &Acl) -> AclBinding {
    let resource = match acl.resource {
        Resource::Topic => AclResourceType::Topic,
        Resource::Group => AclResourceType::Group,
        Resource::Cluster => AclResourceType::Cluster,
    };
    let operation = match acl.operation {
        Operation::Describe => AclOperation::Describe,
        Operation::Read => AclOperation::Read,
        Operation::Write => AclOperation::Write,
        Operation::Create => AclOperation::Create,
        Operation::Alter => AclOperation::Alter,
        Operation::DescribeConfigs => AclOperation::DescribeConfigs,
        Operation::AlterConfigs => AclOperation::AlterConfigs,
    };
    let allow = AclPermissionType::Allow;
    AclBinding::new(resource, &acl.name, principal(user), ANY_HOST, operation, allow)
        .with_pattern_type(AclPatternType::from_i8(LITERAL))
}
