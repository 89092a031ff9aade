//! `Audit`: how often the queue has stored a result for each job, seen from outside of the fleet's own code.

use std::collections::HashMap;

use fleet::{BoxError, local::Kind};

/// A trigger in the database, or the history of the bucket.
pub struct Audit {
    kind: Kind,
    address: String,
}

impl Audit {
    /// Begins to watch. The queue's tables exist.
    pub async fn begin(kind: Kind, address: &str) -> Result<Self, BoxError> {
        match kind {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite => sqlite(address)?.execute_batch(
                "CREATE TABLE audit (id TEXT NOT NULL);
                 CREATE TRIGGER audit_insert AFTER INSERT ON ended WHEN new.outcome = 'finished'
                 BEGIN INSERT INTO audit VALUES (new.id); END;
                 CREATE TRIGGER audit_update AFTER UPDATE ON ended WHEN new.outcome = 'finished'
                 BEGIN INSERT INTO audit VALUES (new.id); END;",
            )?,
            #[cfg(feature = "postgres")]
            Kind::Postgres => {
                let sql = "CREATE TABLE audit (id text NOT NULL);
                    CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN INSERT INTO audit VALUES (new.id); RETURN new; END $$;
                    CREATE TRIGGER audit AFTER INSERT OR UPDATE ON fleet_ended FOR EACH ROW
                    WHEN (new.outcome = 'finished') EXECUTE FUNCTION audit();";
                fleet::queue::postgres::client(address).await?.batch_execute(sql).await?;
            }
            // The bucket keeps more than one value of each key: `nats::HISTORY`.
            _ => {}
        }
        Ok(Self { kind, address: address.to_owned() })
    }

    /// How many results were stored for each job.
    pub async fn results(&self) -> Result<HashMap<String, u64>, BoxError> {
        match self.kind {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite => {
                let connection = sqlite(&self.address)?;
                let mut select = connection.prepare("SELECT id, count(*) FROM audit GROUP BY id")?;
                let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                Ok(rows.collect::<Result<_, _>>()?)
            }
            #[cfg(feature = "postgres")]
            Kind::Postgres => {
                let client = fleet::queue::postgres::client(&self.address).await?;
                let rows = client.query("SELECT id, count(*) FROM audit GROUP BY id", &[]).await?;
                Ok(rows.iter().map(|row| (row.get(0), row.get::<_, i64>(1) as u64)).collect())
            }
            #[cfg(feature = "nats")]
            Kind::Nats => fleet::queue::nats::results(&self.address).await,
            #[allow(unreachable_patterns, reason = "without all features")]
            _ => Err(format!("this program was built without {:?}: {}", self.kind, self.address).into()),
        }
    }
}

#[cfg(feature = "sqlite")]
fn sqlite(address: &str) -> Result<rusqlite::Connection, BoxError> {
    let path = address.strip_prefix("sqlite:").unwrap_or(address);
    let connection = rusqlite::Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    Ok(connection)
}
