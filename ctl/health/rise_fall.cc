#include "ctl/health/rise_fall.h"

namespace fairlead::health {

using model::Health;

RiseFall::RiseFall(Health last_known, std::uint32_t rise, std::uint32_t fall) noexcept
    : health_(last_known == Health::kUnchecked ? Health::kUp : model::settled(last_known)),
      rise_(rise),
      fall_(fall),
      has_settled_(health_ != Health::kUnknown) {}

void RiseFall::set_thresholds(std::uint32_t rise, std::uint32_t fall) noexcept {
    rise_ = rise;
    fall_ = fall;
}

void RiseFall::pass() noexcept {
    if (health_ == Health::kUp || health_ == Health::kFalling) {
        health_ = Health::kUp;
        count_ = 0;
        return;
    }
    ++count_;
    health_ = Health::kRising;
    if (count_ >= rise_) {
        health_ = Health::kUp;
        count_ = 0;
        has_settled_ = true;
    }
}

void RiseFall::fail() noexcept {
    if (health_ != Health::kUp && health_ != Health::kFalling) {
        health_ = Health::kDown;
        count_ = 0;
        has_settled_ = true;
        return;
    }
    ++count_;
    health_ = Health::kFalling;
    if (count_ >= fall_) {
        health_ = Health::kDown;
        count_ = 0;
    }
}

}  // namespace fairlead::health
