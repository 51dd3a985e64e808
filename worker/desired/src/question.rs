//! A query and its tables as plain data, and the answer: for those who have planning done in another process.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sql::{Catalog, PlanError};
use units::TopicName;

use crate::{Planned, Planner};

/// A text and the tables that it may name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    text: String,
    tables: Vec<Table>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Table {
    name: String,
    topic: String,
    partitions: i32,
    is_csv: bool,
    key: Vec<usize>,
    columns: Vec<Column>,
    /// Column, watermark delay and idle timeout in milliseconds.
    event_time: Option<(usize, i64, i64)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Column {
    name: String,
    data_type: String,
    nullable: bool,
    from: u8,
}

/// The plan, or what is wrong and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The plan.
    Planned(Planned),
    /// What is wrong.
    Wrong {
        /// From 1.
        line: u32,
        /// From 1.
        column: u32,
        /// In a sentence.
        message: String,
        /// What to write instead.
        hint: Option<String>,
    },
}

impl Question {
    /// A question in the form in which it travels.
    #[must_use]
    pub fn new(text: &str, catalog: &Catalog) -> Self {
        Self { text: text.into(), tables: catalog.tables.iter().map(Table::new).collect() }
    }

    /// SHA-256 of it.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(serde_json::to_vec(self).unwrap_or_default()).into()
    }

    /// Plans it here.
    #[must_use]
    pub fn answer(&self, planner: &dyn Planner) -> Answer {
        let tables: Result<Vec<_>, String> = self.tables.iter().map(Table::read).collect();
        match tables {
            Ok(tables) => Answer::new(planner.plan(&self.text, &Catalog { tables })),
            Err(message) => Answer::Wrong { line: 1, column: 1, message, hint: None },
        }
    }
}

impl Answer {
    fn new(outcome: Result<Planned, PlanError>) -> Self {
        match outcome {
            Ok(planned) => Self::Planned(planned),
            Err(PlanError { line, column, message, hint }) => Self::Wrong { line, column, message, hint },
        }
    }

    /// As the resolver takes it.
    ///
    /// # Errors
    /// What is wrong with the query.
    pub fn outcome(self) -> Result<Planned, PlanError> {
        match self {
            Self::Planned(planned) => Ok(planned),
            Self::Wrong { line, column, message, hint } => Err(PlanError { line, column, message, hint }),
        }
    }
}

const SOURCES: [sql::ColumnFrom; 4] =
    [sql::ColumnFrom::Value, sql::ColumnFrom::Timestamp, sql::ColumnFrom::Partition, sql::ColumnFrom::Offset];

impl Table {
    fn new(table: &sql::Table) -> Self {
        let columns = table.columns.iter().map(|column| Column {
            name: column.name.clone(),
            data_type: sql::types::name(&column.data_type),
            nullable: column.nullable,
            from: SOURCES.iter().position(|known| *known == column.from).and_then(|index| u8::try_from(index).ok()).unwrap_or(0),
        });
        Self {
            name: table.name.clone(),
            topic: table.topic.to_string(),
            partitions: table.partitions,
            is_csv: table.format == sql::Format::Csv,
            key: table.key.clone(),
            columns: columns.collect(),
            event_time: table.event_time.as_ref().map(|time| (time.column, time.watermark_delay_ms, time.idle_timeout_ms)),
        }
    }

    fn read(&self) -> Result<sql::Table, String> {
        let column = |column: &Column| {
            let parsed = sql::types::parse(&column.data_type).map_err(|error| format!("column {}: {error}", column.name))?;
            let from = SOURCES.get(usize::from(column.from)).copied().unwrap_or_default();
            Ok::<_, String>(sql::Column { name: column.name.clone(), data_type: parsed.data_type, nullable: column.nullable, from })
        };
        Ok(sql::Table {
            name: self.name.clone(),
            columns: self.columns.iter().map(column).collect::<Result<_, _>>()?,
            key: self.key.clone(),
            event_time: self.event_time.map(|(column, watermark_delay_ms, idle_timeout_ms)| sql::EventTime {
                column,
                watermark_delay_ms,
                idle_timeout_ms,
            }),
            format: if self.is_csv { sql::Format::Csv } else { sql::Format::Json },
            topic: TopicName::new(&self.topic).map_err(|error| error.to_string())?,
            partitions: self.partitions,
        })
    }
}
