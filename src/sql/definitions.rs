//! CREATE and DROP. What is defined has a name of the session, which no file or folder of that name
//! stands in the way of: names of files are looked up in queries only.

use std::sync::Arc;

use datafusion::catalog::CatalogProviderList;
use datafusion::common::TableReference;
use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::planner::object_name_to_table_reference;
use datafusion::sql::sqlparser::ast::{Ident, ObjectName, Statement as SqlStatement};

/// What stands for the name while the statement is planned; nothing has it.
const PLACEHOLDER: &str = "lsmi_etl_defined";

/// The tables with names of their own, without those of files.
pub(super) struct NamedTables(pub(super) Arc<dyn CatalogProviderList>);

/// The name that a statement defines, and its text.
pub(super) struct Definition {
    name: ObjectName,
    text: String,
}

impl Definition {
    /// Takes the name out of a statement, if it defines one.
    pub(super) fn take(statement: &mut Statement) -> Option<Self> {
        let text = statement.to_string();
        let name = match statement {
            Statement::CreateExternalTable(table) => &mut table.name,
            Statement::Statement(statement) => match statement.as_mut() {
                SqlStatement::CreateView(view) => &mut view.name,
                SqlStatement::CreateTable(table) => &mut table.name,
                _ => return None,
            },
            _ => return None,
        };
        let placeholder = ObjectName::from(vec![Ident::new(PLACEHOLDER)]);
        Some(Self { name: std::mem::replace(name, placeholder), text })
    }

    /// Puts the name into the plan of the statement.
    ///
    /// # Errors
    /// Of a name that is none of a table.
    pub(super) fn put(
        self,
        mut plan: LogicalPlan,
        normalize: bool,
    ) -> datafusion::error::Result<LogicalPlan> {
        let name: TableReference = object_name_to_table_reference(self.name, normalize)?;
        match &mut plan {
            LogicalPlan::Ddl(DdlStatement::CreateExternalTable(table)) => {
                table.name = name;
                table.definition = table.definition.take().map(|_| self.text);
            }
            LogicalPlan::Ddl(DdlStatement::CreateView(view)) => {
                view.name = name;
                view.definition = view.definition.take().map(|_| self.text);
            }
            LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(table)) => table.name = name,
            _ => {}
        }
        Ok(plan)
    }
}

/// The context in which a plan runs: that of a definition knows the names of the session only.
pub(super) fn context_of(context: &SessionContext, plan: &LogicalPlan) -> SessionContext {
    let named = context.state().config().get_extension::<NamedTables>();
    match (plan, named) {
        (LogicalPlan::Ddl(_), Some(named)) => {
            let defining = SessionContext::new_with_state(context.state());
            defining.register_catalog_list(Arc::clone(&named.0));
            defining
        }
        _ => context.clone(),
    }
}
