// The daemon's `tables` as the control thread finds them: none yet, some that fit, or others.
//
// A file of another layout is waited out, and said: the daemon of this version makes a fitting one.
// Thread: the control thread; what it hands out is read by the workers too, and must stay until
// none of them does.
#pragma once

#include <memory>
#include <string>

#include "dp/shm/segment.h"
#include "dp/shm/snapshot.h"

namespace fairlead::engine {

struct MappedTables {
    shm::Segment segment;
    shm::TablesReader reader;

    [[nodiscard]] std::uint64_t instance() const {
        return segment.header<shm::SegmentHeader>().instance;
    }
};

class TablesSource {
  public:
    explicit TablesSource(std::string run_dir) : run_dir_(std::move(run_dir)) {}

    // The file under that name, if it fits; nullptr otherwise. What is wrong with it is logged,
    // each reason once, and told to the service manager where `is_awaited`: nothing is forwarded
    // until there is a file.
    [[nodiscard]] std::unique_ptr<MappedTables> look(bool is_awaited);
    [[nodiscard]] bool is_current(const MappedTables& tables) const {
        return tables.segment.is_current(shm::kTables, run_dir_);
    }

  private:
    void say(const std::string& reason, bool is_awaited);

    std::string run_dir_;
    std::string said_;
};

}  // namespace fairlead::engine
