#include "dp/engine/tables_source.h"

#include <optional>
#include <utility>

#include "dp/base/log.h"
#include "dp/base/notify.h"

namespace fairlead::engine {

std::unique_ptr<MappedTables> TablesSource::look(bool is_awaited) {
    if (!shm::Segment::exists(shm::kTables, run_dir_)) {
        return nullptr;
    }
    Result<shm::Segment> opened = shm::Segment::open_read_only(shm::kTables, run_dir_);
    if (!opened) {
        say(opened.error().message, is_awaited);
        return nullptr;
    }
    const std::optional<shm::TablesReader> reader = shm::TablesReader::map(opened->bytes());
    if (!reader) {
        say(run_dir_ + "/tables is damaged: its capacities do not fit its size; restart lbd",
            is_awaited);
        return nullptr;
    }
    said_.clear();
    return std::make_unique<MappedTables>(MappedTables{std::move(*opened), *reader});
}

void TablesSource::say(const std::string& reason, bool is_awaited) {
    if (reason == said_) {
        return;
    }
    said_ = reason;
    log_warning("tables-do-not-fit", {{"reason", reason}});
    if (is_awaited) {
        notify_service_manager("STATUS=nothing is forwarded, waiting for tables that fit: " +
                               reason);
    }
}

}  // namespace fairlead::engine
