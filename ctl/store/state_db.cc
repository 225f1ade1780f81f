#include "ctl/store/state_db.h"

#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <unistd.h>

#include "ctl/model/atomic_file.h"
#include "ctl/model/moment.h"
#include "ctl/model/overrides_text.h"
#include "ctl/store/sqlite.h"
#include "dp/base/error_text.h"

namespace fairlead::store {
namespace {

constexpr mode_t kMode = 0640;
constexpr std::size_t kMaxImportBytes = 64U << 20U;
constexpr std::string_view kImportFile = "overrides.json";

constexpr const char* kSchema = R"(
    CREATE TABLE IF NOT EXISTS overrides (
        service TEXT NOT NULL, backend TEXT NOT NULL, entry TEXT NOT NULL,
        PRIMARY KEY (service, backend)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS node (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS journal (
        id INTEGER PRIMARY KEY, at TEXT NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL,
        what TEXT NOT NULL, of TEXT NOT NULL, subject TEXT NOT NULL, before TEXT NOT NULL,
        after TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS history (
        service TEXT NOT NULL, backend TEXT NOT NULL, address TEXT NOT NULL, effective TEXT NOT NULL,
        since_ns INTEGER NOT NULL, drain_start_ns INTEGER NOT NULL, transitions INTEGER NOT NULL,
        PRIMARY KEY (service, backend, address)) WITHOUT ROWID;
)";

std::string path_in(const std::string& state_dir, std::string_view name) {
    return state_dir + "/" + std::string(name);
}

// ---- writing ------------------------------------------------------------------------------------

void write_overrides(const Database& database, const Change& change) {
    Statement former(database, "SELECT entry FROM overrides WHERE service = ? AND backend = ?");
    Statement replace(database, "INSERT OR REPLACE INTO overrides VALUES (?, ?, ?)");
    Statement remove(database, "DELETE FROM overrides WHERE service = ? AND backend = ?");
    for (const auto& [key, entry] : change.overrides) {
        former.bind(1, key.service).bind(2, key.name);
        const std::string was = former.step() ? former.text(0) : "";
        former.run();
        const std::string text = model::write_entry(entry, was);
        if (text.empty()) {
            remove.bind(1, key.service).bind(2, key.name).run();
        } else {
            replace.bind(1, key.service).bind(2, key.name).bind(3, text).run();
        }
    }
}

void write_node(const Database& database, const std::optional<model::AdminOverride>& node) {
    if (node) {
        Statement(database, "INSERT OR REPLACE INTO node VALUES ('admin', ?)")
            .bind(1, model::write_admin(*node))
            .run();
    } else {
        database.run("DELETE FROM node WHERE name = 'admin'");
    }
}

void write_journal(const Database& database, const std::vector<JournalEntry>& journal) {
    Statement insert(database, "INSERT INTO journal VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)");
    for (const JournalEntry& entry : journal) {
        insert.bind(1, entry.at)
            .bind(2, entry.by)
            .bind(3, entry.reason)
            .bind(4, entry.what)
            .bind(5, entry.of)
            .bind(6, entry.subject)
            .bind(7, entry.before)
            .bind(8, entry.after)
            .run();
    }
    Statement(database, "DELETE FROM journal WHERE id <= (SELECT max(id) FROM journal) - ?")
        .bind(1, kJournalRows)
        .run();
}

void write_history(const Database& database, const Change& change) {
    if (change.forgets_others) {
        database.run("DELETE FROM history");
    }
    Statement replace(database, "INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?, ?, ?, ?)");
    for (const Remembered& each : change.remembered) {
        replace.bind(1, each.backend.service)
            .bind(2, each.backend.name)
            .bind(3, each.address.text().data())
            .bind(4, each.effective)
            .bind(5, each.since_ns)
            .bind(6, each.drain_start_ns)
            .bind(7, static_cast<std::int64_t>(each.transitions))
            .run();
    }
}

void write_all(const Database& database, const Change& change) {
    write_overrides(database, change);
    if (change.changes_node) {
        write_node(database, change.node);
    }
    if (!change.journal.empty()) {
        write_journal(database, change.journal);
    }
    write_history(database, change);
}

void write_texts(const Database& database, const Before& before) {
    Statement replace(database, "INSERT OR REPLACE INTO overrides VALUES (?, ?, ?)");
    Statement remove(database, "DELETE FROM overrides WHERE service = ? AND backend = ?");
    for (const auto& [key, text] : before.overrides) {
        if (text) {
            replace.bind(1, key.service).bind(2, key.name).bind(3, *text).run();
        } else {
            remove.bind(1, key.service).bind(2, key.name).run();
        }
    }
    database.run("DELETE FROM node WHERE name = 'admin'");
    if (before.node) {
        Statement(database, "INSERT INTO node VALUES ('admin', ?)").bind(1, *before.node).run();
    }
    Statement(database, "DELETE FROM journal WHERE id > ?").bind(1, before.last_journal_row).run();
}

// ---- reading ------------------------------------------------------------------------------------

void read_overrides_of(const Database& database, Contents& contents) {
    Statement rows(database, "SELECT service, backend, entry FROM overrides");
    while (rows.step()) {
        const model::BackendKey key{rows.text(0), rows.text(1)};
        Result<model::BackendOverrides> entry = model::read_entry(rows.text(2));
        if (!entry) {
            contents.problems.push_back(
                "what was set on " + to_text(key) + " cannot be read and is not in force (" +
                entry.error().message + "): set it anew with `lbctl backend`");
        } else if (!entry->empty()) {
            contents.kept.overrides[key] = std::move(*entry);
        }
    }
    Statement node(database, "SELECT value FROM node WHERE name = 'admin'");
    if (node.step()) {
        Result<model::AdminOverride> admin = model::read_admin(node.text(0));
        if (admin) {
            contents.kept.node = std::move(*admin);
        } else {
            contents.problems.push_back("whether this node was drained cannot be read (" +
                                        admin.error().message + "): see `lbctl node status`");
        }
    }
}

template <typename Keys>
Before read_before(const Database& database, const Keys& keys) {
    Before before;
    Statement entry(database, "SELECT entry FROM overrides WHERE service = ? AND backend = ?");
    for (const auto& [key, unused] : keys) {
        entry.bind(1, key.service).bind(2, key.name);
        before.overrides.emplace_back(key,
                                      entry.step() ? std::optional(entry.text(0)) : std::nullopt);
        entry.run();
    }
    Statement node(database, "SELECT value FROM node WHERE name = 'admin'");
    before.node = node.step() ? std::optional(node.text(0)) : std::nullopt;
    before.last_journal_row = database.number("SELECT max(id) FROM journal");
    return before;
}

// Of what cannot be read only the time is lost.
void read_history_of(const Database& database, Contents& contents) {
    Statement rows(database, "SELECT * FROM history");
    while (rows.step()) {
        const auto address = IpAddress::parse(rows.text(2));
        if (address) {
            contents.remembered.push_back({{rows.text(0), rows.text(1)},
                                           *address,
                                           rows.text(3),
                                           rows.number(4),
                                           rows.number(5),
                                           static_cast<std::uint64_t>(rows.number(6))});
        }
    }
}

// ---- opening ------------------------------------------------------------------------------------

struct Import {
    std::string text;
    model::ReadOverrides read;
    bool is_there = false;
};

Import read_import(const std::string& state_dir, std::vector<std::string>& problems) {
    const std::string path = path_in(state_dir, kImportFile);
    bool is_missing = false;
    Result<std::string> text = model::read_file(path, kMaxImportBytes, is_missing);
    if (is_missing) {
        return {};
    }
    if (!text) {
        problems.push_back("what operators had changed under an earlier version is not in force: " +
                           text.error().message);
        return {};
    }
    Result<model::ReadOverrides> read = model::read_overrides(*text);
    if (!read) {
        problems.push_back(path + " could not be understood (" + read.error().message +
                           "): what operators had changed under an earlier version is not in "
                           "force; the text is kept in " +
                           path + ".imported");
        return {std::move(*text), {}, true};
    }
    for (const std::string& problem : read->problems) {
        problems.push_back(path + ": " + problem + "; the text is kept in " + path + ".imported");
    }
    return {std::move(*text), std::move(*read), true};
}

// The text is kept beside: should the file not be renamed, it is not taken in again over newer
// changes.
void write_import(const Database& database, const Import& import) {
    Statement last(database, "SELECT value FROM node WHERE name = 'imported'");
    if (last.step() && last.text(0) == import.text) {
        return;
    }
    last.run();
    database.run("DELETE FROM overrides");
    Change change = difference({}, import.read.kept);
    change.changes_node = true;
    write_all(database, change);
    Statement(database, "INSERT OR REPLACE INTO node VALUES ('imported', ?)")
        .bind(1, import.text)
        .run();
}

std::unique_ptr<Database> open_database(const std::string& path) {
    // The mode is SQLite's otherwise, and readable by everybody.
    if (const int made = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kMode);
        made >= 0) {
        ::close(made);
    }
    auto database = std::make_unique<Database>(path);
    database->run(
        "PRAGMA busy_timeout = 2000; PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA;"
        "PRAGMA trusted_schema = OFF");
    return database;
}

void prepare(const Database& database, const std::string& state_dir, const Import& import) {
    if (database.number("PRAGMA user_version") == kFormat && !import.is_there) {
        return;
    }
    Transaction transaction(database);
    database.run(kSchema);
    if (import.is_there) {
        write_import(database, import);
    }
    database.run("PRAGMA user_version = 1");
    transaction.commit();
    if (import.is_there) {
        const std::string path = path_in(state_dir, kImportFile);
        static_cast<void>(std::rename(path.c_str(), (path + ".imported").c_str()));
    }
}

Result<std::string> move_aside(const std::string& path) {
    const std::string aside = path + ".corrupt-" + model::rfc3339(model::now());
    if (std::rename(path.c_str(), aside.c_str()) != 0) {
        return fail(path + " is damaged and cannot be moved aside: " + error_text(errno));
    }
    const std::string journal = path + "-journal";
    static_cast<void>(std::rename(journal.c_str(), (aside + "-journal").c_str()));
    return aside;
}

template <typename Call>
auto ending_exceptions(Call call) -> Result<decltype(call())> {
    try {
        return call();
    } catch (const SqliteError& error) {
        return fail(std::string(kStateFile) + ": " + error.what());
    }
}

}  // namespace

StateDb::StateDb(std::unique_ptr<Database> database, std::vector<std::string> problems)
    : database_(std::move(database)), problems_(std::move(problems)) {}
StateDb::~StateDb() = default;
StateDb::StateDb(StateDb&&) noexcept = default;
StateDb& StateDb::operator=(StateDb&&) noexcept = default;

Result<StateDb> StateDb::open(const std::string& state_dir) {
    const std::string path = path_in(state_dir, kStateFile);
    std::vector<std::string> problems;
    const Import import = read_import(state_dir, problems);
    for (int attempt = 0;; ++attempt) {
        try {
            auto database = open_database(path);
            if (const std::int64_t format = database->number("PRAGMA user_version");
                format > kFormat) {
                return fail(path + " has format " + std::to_string(format) +
                            ", which a newer lbd wrote; this one knows " + std::to_string(kFormat) +
                            ": start that version, or move the file away");
            }
            if (const std::string found = database->check(); found != "ok") {
                throw SqliteError::damage(found);
            }
            prepare(*database, state_dir, import);
            return StateDb(std::move(database), std::move(problems));
        } catch (const SqliteError& error) {
            if (!error.is_damage() || attempt > 1) {
                return fail(path + ": " + error.what());
            }
            if (attempt == 0) {
                continue;  // SQLite takes a read that failed once for damage, too
            }
            const Result<std::string> aside = move_aside(path);
            if (!aside) {
                return Unexpected{aside.error()};
            }
            problems.push_back(path + " is damaged (" + error.what() + "): it was moved to " +
                               *aside +
                               ", and what operators had changed at run time is not in force");
        }
    }
}

Result<Contents> StateDb::read() {
    return ending_exceptions([this] {
        Contents contents;
        contents.problems = problems_;
        read_overrides_of(*database_, contents);
        read_history_of(*database_, contents);
        return contents;
    });
}

Result<Before> StateDb::before(const Change& change) {
    return ending_exceptions([&] { return read_before(*database_, change.overrides); });
}

Status StateDb::write(const Change& change) {
    const auto written = ending_exceptions([&] {
        Transaction transaction(*database_);
        write_all(*database_, change);
        transaction.commit();
        return true;
    });
    return written ? Status() : Unexpected{written.error()};
}

Status StateDb::restore(const Before& before) {
    const auto restored = ending_exceptions([&] {
        if (read_before(*database_, before.overrides) != before) {
            Transaction transaction(*database_);
            write_texts(*database_, before);
            transaction.commit();
        }
        return true;
    });
    return restored ? Status() : Unexpected{restored.error()};
}

}  // namespace fairlead::store
