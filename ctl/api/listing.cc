#include "ctl/api/listing.h"

#include <chrono>
#include <memory>

#include "ctl/api/views.h"

#include <nlohmann/json.hpp>

namespace fairlead::api {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kTurn{5};
constexpr int kMostStarts = 5;  // then it goes on as well as it can

class Writing {
  public:
    Writing(daemon::Daemon& daemon, Listing listing, Respond respond)
        : daemon_(daemon), listing_(std::move(listing)), respond_(std::move(respond)) {
        begin();
    }

    // Whether there is more.
    bool go_on() {
        if (daemon_.model().shape() != shape_ && starts_ < kMostStarts) {
            begin();
        }
        daemon_.telemetry().refresh();
        const auto end = Clock::now() + kTurn;
        while (position_ < daemon_.model().services().size()) {
            write_one(daemon_.model().services()[position_]);
            if (Clock::now() >= end) {
                return true;
            }
        }
        body_ += "]}\n";
        respond_({200, std::move(body_)});
        return false;
    }

  private:
    void begin() {
        ++starts_;
        shape_ = daemon_.model().shape();
        position_ = backend_ = 0;
        body_ = "{\"" + listing_.name + "\":[";
    }

    // The next item, or the step to the next service.
    void write_one(const model::Service& service) {
        const bool is_wanted = listing_.service.empty() || listing_.service == service.config.name;
        if (is_wanted && listing_.of_service) {
            write(listing_.of_service(daemon_, service));
        }
        if (!is_wanted || !listing_.of_backend || backend_ >= service.backends.size()) {
            ++position_;
            backend_ = 0;
            return;
        }
        write(listing_.of_backend(daemon_, service, service.backends[backend_]));
        ++backend_;
    }

    void write(const Json& item) {
        if (!item.is_null()) {
            body_ += body_.back() == '[' ? "" : ",";
            body_ += to_text(item);
        }
    }

    daemon::Daemon& daemon_;
    Listing listing_;
    Respond respond_;
    std::uint64_t shape_ = 0;
    std::size_t position_ = 0;  // of the service
    std::size_t backend_ = 0;   // within it
    std::string body_;
    int starts_ = 0;
};

}  // namespace

void respond_with(const Call& call, Listing listing, const Respond& respond) {
    const auto writing = std::make_shared<Writing>(call.daemon, std::move(listing), respond);
    call.turns.add([writing] { return writing->go_on(); });
}

}  // namespace fairlead::api
