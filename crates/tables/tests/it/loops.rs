//! N+1 loops over relations that only the types of fields declare.

use tallybook::Confidence;
use tallybook::migrate::{Column, Migrator, Revision, Step, Target, Type};
use tallybook::tables::{Aggregate, Id, Include, LimitOffset, Table};
use tallybook_testkit::both_dialects;

use crate::support::{open, write};

#[derive(Clone, Debug, PartialEq, Table)]
#[table(name = "users", new = NewUser, repository = Users)]
struct User {
    id: Id<User>,
    name: String,
}

/// Neither the name of the column nor a foreign key says that it refers to users.
#[derive(Clone, Debug, PartialEq, Table)]
#[table(name = "accounts", new = NewAccount, repository = Accounts)]
struct Account {
    id: Id<Account>,
    holder: Id<User>,
}

#[derive(Clone, Debug, PartialEq, Aggregate)]
struct UserWithAccounts {
    #[root]
    user: User,
    #[many]
    accounts: Vec<Account>,
}

#[derive(Clone, Debug, PartialEq, Aggregate)]
struct UserView {
    #[root]
    user: User,
    #[many]
    accounts: Option<Vec<Account>>,
}

const REVISIONS: &[Revision] = &[Revision::new(
    "0001",
    "users and accounts",
    &[
        Step::table("users", &[Column::new("id", Type::Id), Column::new("name", Type::Text)]),
        Step::table("accounts", &[Column::new("id", Type::Id), Column::new("holder", Type::Integer)]),
    ],
)];

/// Creates eight users with an account each; the highest user has the first account.
async fn accounts(url: &str) {
    let db = open(url).await;
    Migrator::new(&db, REVISIONS).upgrade(&Target::Head).await.unwrap();
    write(&db, async |session| {
        let users: Vec<_> = (0..8).map(|number| NewUser { name: format!("user {number}") }).collect();
        let users = Users::new(session).create_many(&users).await?;
        let accounts: Vec<_> = users.iter().rev().map(|user| NewAccount { holder: user.id }).collect();
        Accounts::new(session).create_many(&accounts).await
    })
    .await;
}

both_dialects! {
    async fn a_loop_over_the_rows_that_others_refer_to_is_confirmed_and_names_the_call(url: &str) {
        accounts(url).await;
        let db = open(url).await;
        let mut session = db.read().await.unwrap();
        for account in Accounts::new(&mut session).get_many(LimitOffset::first(8)).await.unwrap() {
            Users::new(&mut session).get(account.holder).await.unwrap().unwrap();
        }
        drop(session);
        let findings = db.findings();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].confidence, Confidence::Confirmed);
        assert_eq!(findings[0].suggestion, "call Users::get_by_ids(&ids) once");
        assert_eq!(findings[0].source.as_ref().unwrap().column, "holder");
    }

    async fn a_loop_of_loads_is_confirmed_and_names_the_load_of_many(url: &str) {
        accounts(url).await;
        let db = open(url).await;
        let mut session = db.read().await.unwrap();
        for user in Users::new(&mut session).get_many(LimitOffset::first(8)).await.unwrap() {
            let loaded = Users::new(&mut session).load::<UserWithAccounts>(user.id).await.unwrap().unwrap();
            assert_eq!(loaded.accounts[0].holder, user.id);
        }
        drop(session);
        let findings = db.findings();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].confidence, Confidence::Confirmed);
        assert_eq!(findings[0].suggestion, "call Users::load_many::<UserWithAccounts>(&ids) once");
    }

    async fn a_loop_of_loads_with_an_include_names_the_load_of_many_with_it(url: &str) {
        accounts(url).await;
        let db = open(url).await;
        let mut session = db.read().await.unwrap();
        let include = Include::<UserView>::all();
        for user in Users::new(&mut session).get_many(LimitOffset::first(8)).await.unwrap() {
            let loaded = Users::new(&mut session).including(include).load(user.id).await.unwrap().unwrap();
            assert_eq!(loaded.accounts.unwrap()[0].holder, user.id);
        }
        drop(session);
        let findings = db.findings();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].confidence, Confidence::Confirmed);
        assert_eq!(findings[0].suggestion, "call Users::including(include).load_many(&ids) once");
    }

    async fn a_loop_over_the_rows_of_each_parent_names_the_load_of_many(url: &str) {
        accounts(url).await;
        let db = open(url).await;
        let mut session = db.read().await.unwrap();
        for user in Users::new(&mut session).get_many(LimitOffset::first(8)).await.unwrap() {
            assert_eq!(Accounts::new(&mut session).load_of::<Account, _>(user.id).await.unwrap().len(), 1);
        }
        drop(session);
        let findings = db.findings();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].confidence, Confidence::Confirmed);
        assert_eq!(findings[0].suggestion, "call Accounts::load_of_many::<_, _>(&parents) once");
    }
}
