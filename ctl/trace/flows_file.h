// The engine's `flows` segment, mapped to read from while its workers write.
#pragma once

#include <string>
#include <vector>

#include "dp/base/result.h"
#include "dp/flow/flow_table.h"
#include "dp/shm/segment.h"

namespace fairlead::trace {

class FlowsFile {
  public:
    // Error: there is none, or its header does not fit its size.
    [[nodiscard]] static Result<FlowsFile> open(const std::string& run_dir);

    // By worker. Valid as long as this object.
    [[nodiscard]] const std::vector<FlowTableView>& tables() const { return tables_; }
    // The flows' clock, as the engine last wrote it: some hundred milliseconds old, or as old as
    // the engine's end.
    [[nodiscard]] FlowTick now() const;

  private:
    shm::Segment segment_;
    std::vector<FlowTableView> tables_;
};

}  // namespace fairlead::trace
