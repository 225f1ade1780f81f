// Names of users and groups, looked up by a thread of its own: the host's database (NSS) may be a
// server far away that does not answer.
//
// Thread: the loop's.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <sys/types.h>

namespace fairlead::api {

class NameBook {
  public:
    // Begins to look for the group, and again every minute.
    explicit NameBook(const std::string& group);
    // Waits for nobody.
    ~NameBook();
    NameBook(const NameBook&) = delete;
    NameBook& operator=(const NameBook&) = delete;

    // Has the name looked up, so that it is there when it is needed.
    void ask(uid_t uid);
    // "root (uid 0)"; "uid 1000" where there is no name, or none is known within `patience`.
    [[nodiscard]] std::string name_of(uid_t uid, std::chrono::milliseconds patience);
    // Nothing where the host has no such group, or it is not known yet.
    [[nodiscard]] std::optional<gid_t> group() const;

  private:
    class Reader;
    std::shared_ptr<Reader> reader_;
};

}  // namespace fairlead::api
