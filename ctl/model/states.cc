#include "ctl/model/states.h"

namespace fairlead::model {

std::string_view to_text(Admin admin) noexcept {
    switch (admin) {
        case Admin::kReady:
            return "ready";
        case Admin::kDrain:
            return "drain";
        case Admin::kMaint:
            return "maint";
    }
    return "";
}

std::string_view to_text(Health health) noexcept {
    switch (health) {
        case Health::kUnknown:
            return "unknown";
        case Health::kUp:
            return "up";
        case Health::kRising:
            return "rising";
        case Health::kFalling:
            return "falling";
        case Health::kDown:
            return "down";
        case Health::kUnchecked:
            return "unchecked";
    }
    return "";
}

std::string_view to_text(Effective effective) noexcept {
    switch (effective) {
        case Effective::kServing:
            return "serving";
        case Effective::kDraining:
            return "draining";
        case Effective::kOut:
            return "out";
    }
    return "";
}

std::optional<Admin> parse_admin(std::string_view text) noexcept {
    for (const Admin admin : {Admin::kReady, Admin::kDrain, Admin::kMaint}) {
        if (text == to_text(admin)) {
            return admin;
        }
    }
    return std::nullopt;
}

Health health_from_number(std::uint32_t number) noexcept {
    return number <= static_cast<std::uint32_t>(Health::kUnchecked) ? static_cast<Health>(number)
                                                                    : Health::kUnknown;
}

}  // namespace fairlead::model
