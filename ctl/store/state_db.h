// What outlives the daemon, in one SQLite database in the state directory: what operators have
// changed, the journal of who did, and since when each backend is what it is.
//
// Theory of operation. A rollback journal with synchronous = EXTRA, not a write-ahead log: there, a
// COMMIT that fails as its fsync() does has written its frames all the same, and whoever opens the
// file after a crash finds it made (findings/). A change that was refused must stay refused. After
// a failure the database is closed, and the next one that opens it rolls back what is left. One
// failure is left, where all but the last step is done (the directory's fsync()): so what was
// there before is remembered, and restored.
//
// Tables: `overrides` has a row a backend with its entry as JSON (ctl/model/overrides_text.h); what
// this version cannot read stays as it is. PRAGMA user_version is the format.
//
// Blocks for as long as the disk takes. Thread: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ctl/model/overrides.h"
#include "ctl/store/change.h"
#include "dp/base/result.h"

namespace fairlead::store {

inline constexpr std::string_view kStateFile = "state.db";
inline constexpr std::int64_t kFormat = 1;
inline constexpr std::int64_t kJournalRows = 100'000;  // the newest are kept

struct Contents {
    model::Kept kept;
    std::vector<Remembered> remembered;
    std::vector<std::string> problems;  // what could not be read, a sentence each
};

class Database;

// The texts of a change's rows as they were; nothing: there was none.
struct Before {
    std::vector<std::pair<model::BackendKey, std::optional<std::string>>> overrides;
    std::optional<std::string> node;
    std::int64_t last_journal_row = 0;
    friend bool operator==(const Before&, const Before&) = default;
};

class StateDb {
  public:
    // Makes it, if there is none; takes in overrides.json, which is renamed to
    // overrides.json.imported. A file that is damaged is moved aside, and a problem. Error: it
    // cannot be opened or made, or is of a newer format; nothing was changed then.
    [[nodiscard]] static Result<StateDb> open(const std::string& state_dir);
    ~StateDb();
    StateDb(StateDb&&) noexcept;
    StateDb& operator=(StateDb&&) noexcept;
    StateDb(const StateDb&) = delete;
    StateDb& operator=(const StateDb&) = delete;

    [[nodiscard]] Result<Contents> read();
    // What stands where the change will be.
    [[nodiscard]] Result<Before> before(const Change& change);
    // Whole or not at all; when it returns without an error, on disk. After an error the object is
    // to be destroyed, and `before` restored by its successor.
    [[nodiscard]] Status write(const Change& change);
    [[nodiscard]] Status restore(const Before& before);

  private:
    StateDb(std::unique_ptr<Database> database, std::vector<std::string> problems);

    std::unique_ptr<Database> database_;
    std::vector<std::string> problems_;
};

}  // namespace fairlead::store
