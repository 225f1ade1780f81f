#include "ctl/store/state_db.h"

#include <sqlite3.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/ctl/store/state_directory.h"

namespace fairlead::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class StateDbTest : public testing::Test {
  protected:
    [[nodiscard]] StateDb open() {
        auto opened = StateDb::open(directory_.path());
        EXPECT_TRUE(opened) << opened.error().message;
        return std::move(*opened);
    }
    [[nodiscard]] Contents read() {
        StateDb database = open();
        return std::move(*database.read());
    }
    void write(const Change& change) {
        StateDb database = open();
        const Status written = database.write(change);
        ASSERT_TRUE(written) << written.error().message;
    }
    // With SQLite itself, as another program would.
    void execute(const char* sql) {
        sqlite3* database = nullptr;
        ASSERT_EQ(::sqlite3_open(directory_.file("state.db").c_str(), &database), SQLITE_OK);
        EXPECT_EQ(::sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK)
            << ::sqlite3_errmsg(database);
        ::sqlite3_close(database);
    }

    StateDirectory directory_;
};

TEST_F(StateDbTest, ANewOneIsEmpty) {
    const Contents contents = read();
    EXPECT_THAT(contents.kept.overrides, IsEmpty());
    EXPECT_FALSE(contents.kept.node);
    EXPECT_THAT(contents.problems, IsEmpty());
}

TEST_F(StateDbTest, GivesBackWhatWasWritten) {
    Change change = drain_of("app-1", "a \"quoted\"\nreason");
    change.changes_node = true;
    change.node = drained().admin;
    change.remembered.push_back(
        {{"portal", "app-1"}, *IpAddress::parse("10.0.4.1"), "draining", 123, 45, 6});
    write(change);
    const Contents contents = read();
    EXPECT_THAT(contents.kept.overrides,
                ElementsAre(testing::Pair(model::BackendKey{"portal", "app-1"},
                                          drained("a \"quoted\"\nreason"))));
    EXPECT_EQ(contents.kept.node, drained().admin);
    ASSERT_THAT(contents.remembered, SizeIs(1));
    EXPECT_EQ(contents.remembered[0].effective, "draining");
    EXPECT_EQ(contents.remembered[0].since_ns, 123);
    EXPECT_EQ(contents.remembered[0].drain_start_ns, 45);
    EXPECT_EQ(contents.remembered[0].transitions, 6);
}

TEST_F(StateDbTest, WhatIsTakenBackIsGone) {
    write(drain_of("app-1"));
    write(difference({{{{"portal", "app-1"}, drained()}}, drained().admin}, {}));
    EXPECT_THAT(read().kept.overrides, IsEmpty());
    EXPECT_FALSE(read().kept.node);
}

TEST_F(StateDbTest, TheOtherHistoryIsForgottenOnRequest) {
    Change change;
    change.remembered = {{{"s", "one"}, {}, "out", 1, 0, 0}, {{"s", "two"}, {}, "out", 1, 0, 0}};
    write(change);
    change.remembered.pop_back();
    change.forgets_others = true;
    write(change);
    EXPECT_THAT(read().remembered, SizeIs(1));
}

TEST_F(StateDbTest, OneBadEntryCostsThatEntryAloneAndStaysForPeople) {
    write(drain_of("app-1"));
    write(drain_of("app-2"));
    execute("UPDATE overrides SET entry = 'half of' WHERE backend = 'app-1'");
    for (int start = 0; start < 2; ++start) {
        const Contents contents = read();
        EXPECT_THAT(contents.kept.overrides, SizeIs(1));
        EXPECT_THAT(contents.problems,
                    ElementsAre(HasSubstr("what was set on portal/app-1 cannot be read")));
    }
    write(drain_of("app-1"));
    EXPECT_THAT(read().problems, IsEmpty());
    EXPECT_THAT(read().kept.overrides, SizeIs(2));
}

TEST_F(StateDbTest, WhatANewerVersionWroteOnABackendIsKept) {
    write(drain_of("app-1"));
    execute("UPDATE overrides SET entry = json_set(entry, '$.until', 'noon')");
    EXPECT_THAT(read().problems, IsEmpty());
    write(drain_of("app-1", "another reason"));
    execute("CREATE TABLE seen AS SELECT * FROM overrides WHERE entry LIKE '%\"until\":\"noon\"%'");
    Change ready;
    ready.overrides.push_back({{"portal", "app-1"}, {}});
    write(ready);
    execute("INSERT INTO seen SELECT * FROM overrides WHERE entry = '{\"until\":\"noon\"}'");
    execute("CREATE TABLE two (n CHECK (n = 2)); INSERT INTO two SELECT count(*) FROM seen");
    EXPECT_THAT(read().kept.overrides, IsEmpty());
}

TEST_F(StateDbTest, ANewerFormatIsRefusedByName) {
    write(drain_of("app-1"));
    execute("PRAGMA user_version = 7");
    const auto opened = StateDb::open(directory_.path());
    ASSERT_FALSE(opened);
    EXPECT_THAT(opened.error().message, HasSubstr("state.db has format 7"));
    execute("PRAGMA user_version = 1");
    EXPECT_THAT(read().kept.overrides, SizeIs(1)) << "nothing was touched";
}

TEST_F(StateDbTest, ADamagedFileIsMovedAside) {
    for (const std::string& text : {std::string("no database"), std::string(8192, 'x')}) {
        directory_.write("state.db", text);
        const Contents contents = read();
        EXPECT_THAT(contents.kept.overrides, IsEmpty());
        ASSERT_THAT(contents.problems, SizeIs(1));
        EXPECT_THAT(contents.problems[0], HasSubstr("state.db is damaged"));
        EXPECT_THAT(contents.problems[0], HasSubstr("it was moved to"));
        EXPECT_THAT(read().problems, IsEmpty()) << "the next start finds a new one";
        std::filesystem::remove(directory_.file("state.db"));
    }
}

TEST_F(StateDbTest, AFileCutOffAnywhereIsDamagedOrWhole) {
    for (int i = 0; i < 50; ++i) {
        write(drain_of("app-" + std::to_string(i)));
    }
    const auto bytes = std::filesystem::file_size(directory_.file("state.db"));
    std::ifstream whole(directory_.file("state.db"), std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(whole)), {});
    for (std::uintmax_t size = 0; size <= bytes; size += 1000) {
        directory_.write("state.db", text.substr(0, size));
        const Contents contents = read();
        EXPECT_TRUE(contents.kept.overrides.size() == 50 || contents.problems.size() == 1 ||
                    size == 0)
            << size << ": " << contents.kept.overrides.size();
        std::filesystem::remove(directory_.file("state.db"));
    }
}

constexpr const char* kOldFile = R"({"format": 1, "backends": [
    {"service": "portal", "backend": "app-1",
     "admin": {"value": "maint", "by": "root", "at": "then", "reason": "disk"}},
    {"service": "portal", "backend": "app-2", "weight": {"value": 999}}],
    "node": {"value": "drain", "by": "root", "at": "then", "reason": ""}})";

TEST_F(StateDbTest, TheFileOfEarlierVersionsIsTakenInOnce) {
    directory_.write("overrides.json", kOldFile);
    const Contents contents = read();
    EXPECT_EQ(contents.kept.overrides.at({"portal", "app-1"}).admin->value, model::Admin::kMaint);
    EXPECT_TRUE(contents.kept.node);
    EXPECT_THAT(contents.problems, ElementsAre(HasSubstr("app-2")));
    EXPECT_FALSE(std::filesystem::exists(directory_.file("overrides.json")));
    EXPECT_TRUE(std::filesystem::exists(directory_.file("overrides.json.imported")));
    Change ready;
    ready.overrides.push_back({{"portal", "app-1"}, {}});
    write(ready);
    EXPECT_THAT(read().kept.overrides, IsEmpty());
    directory_.write("overrides.json", kOldFile);  // as if it could not be renamed
    EXPECT_THAT(read().kept.overrides, IsEmpty()) << "it is not taken in over what is newer";
}

TEST_F(StateDbTest, WhatAnEarlierVersionChangedMeanwhileIsTakenInAgain) {
    directory_.write("overrides.json", kOldFile);
    EXPECT_THAT(read().kept.overrides, SizeIs(1));
    directory_.write("overrides.json", R"({"format": 1, "backends": []})");
    EXPECT_THAT(read().kept.overrides, IsEmpty());
}

TEST_F(StateDbTest, TheJournalIsBounded) {
    StateDb database = open();
    Change change;
    change.journal.assign(
        static_cast<std::size_t>(kJournalRows) + 500,
        {"then", "root", "", "backend-changed", "backend", "portal/app-1", "", ""});
    ASSERT_TRUE(database.write(change));
    execute(
        "CREATE TABLE rows (n CHECK (n = 100000)); INSERT INTO rows SELECT count(*) FROM journal");
}

}  // namespace
}  // namespace fairlead::store
