#include "ctl/health/outcome.h"

namespace fairlead::health {

std::string_view to_text(Outcome outcome) noexcept {
    switch (outcome) {
        case Outcome::kOk:
            return "ok";
        case Outcome::kRefused:
            return "refused";
        case Outcome::kTimeout:
            return "timeout";
        case Outcome::kStatus:
            return "status";
        case Outcome::kReset:
            return "reset";
        case Outcome::kError:
            return "error";
        case Outcome::kDiscarded:
            return "discarded";
    }
    return "";
}

}  // namespace fairlead::health
