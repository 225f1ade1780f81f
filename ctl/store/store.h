// The state directory, written by a thread of its own, so that a slow disk stops nothing else.
//
// Thread: the owner's. Writes are made one after the other, in the order of the calls.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "ctl/loop/io_context_fwd.h"
#include "ctl/store/state_db.h"
#include "dp/base/result.h"

namespace fairlead::store {

class Store {
  public:
    using Then = std::function<void(const Status& written)>;

    struct Opened;

    // Reads what there is, which takes as long as the disk does. What cannot be opened or read is a
    // problem in the contents, and each write tries again. Error: another lbd has the directory.
    [[nodiscard]] static Result<Opened> open(boost::asio::io_context& owner,
                                             const std::string& state_dir,
                                             const std::string& run_dir);
    // Waits for what there is to write, but not longer than `kFarewell`. Nobody is called any more.
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    static constexpr std::chrono::seconds kFarewell{1};

    // `then` comes by the owner's loop, when the change is on disk or cannot be.
    void write(Change change, Then then);
    // Why the last write failed; "": it did not.
    [[nodiscard]] const std::string& problem() const;
    // How long the write under way has taken until now; 0: none is.
    [[nodiscard]] std::chrono::milliseconds waiting() const;

  private:
    class Worker;
    explicit Store(std::shared_ptr<Worker> worker);

    std::shared_ptr<Worker> worker_;
};

struct Store::Opened {
    std::unique_ptr<Store> store;
    Contents contents;
};

}  // namespace fairlead::store
