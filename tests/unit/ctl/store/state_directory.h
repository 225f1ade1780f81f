// A state directory of a test's own, and what stands in its overrides.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include <unistd.h>

#include <gtest/gtest.h>

#include "ctl/store/change.h"

namespace fairlead::store {

class StateDirectory {
  public:
    StateDirectory() {
        std::string name =
            (std::filesystem::temp_directory_path() / "fairlead-state-XXXXXX").string();
        EXPECT_NE(::mkdtemp(name.data()), nullptr);
        path_ = name;
    }
    ~StateDirectory() { std::filesystem::remove_all(path_); }
    StateDirectory(const StateDirectory&) = delete;
    StateDirectory& operator=(const StateDirectory&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::filesystem::path file(const char* name) const {
        return std::filesystem::path(path_) / name;
    }
    void write(const char* name, const std::string& text) const {
        std::ofstream(file(name)) << text;
    }

  private:
    std::string path_;
};

inline model::BackendOverrides drained(const std::string& reason = "") {
    model::BackendOverrides entry;
    entry.admin = model::AdminOverride{model::Admin::kDrain,
                                       {"root (uid 0)", "2026-03-01T12:00:00.000Z", reason}};
    return entry;
}

inline Change drain_of(const std::string& backend, const std::string& reason = "") {
    Change change;
    change.overrides.push_back({{"portal", backend}, drained(reason)});
    return change;
}

}  // namespace fairlead::store
