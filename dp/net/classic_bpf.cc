#include "dp/net/classic_bpf.h"

#include <array>

namespace fairlead {
namespace {

constexpr std::size_t kMemoryWords = 16;
constexpr std::uint32_t kWordBits = 32;

// Instruction codes, put together as in the paper: class, then size and mode, or operation and
// source.
enum Code : std::uint16_t {
    kLoadWord = 0x20,
    kLoadHalf = 0x28,
    kLoadByte = 0x30,
    kLoadWordIndexed = 0x40,
    kLoadHalfIndexed = 0x48,
    kLoadByteIndexed = 0x50,
    kLoadImmediate = 0x00,
    kLoadMemory = 0x60,
    kLoadLength = 0x80,
    kIndexImmediate = 0x01,
    kIndexMemory = 0x61,
    kIndexLength = 0x81,
    kIndexHeaderLength = 0xB1,  // 4 * (packet[k] & 15): of an IPv4 header
    kStore = 0x02,
    kStoreIndex = 0x03,
    kAdd = 0x04,
    kSubtract = 0x14,
    kMultiply = 0x24,
    kDivide = 0x34,
    kOr = 0x44,
    kAnd = 0x54,
    kShiftLeft = 0x64,
    kShiftRight = 0x74,
    kNegate = 0x84,
    kModulo = 0x94,
    kXor = 0xA4,
    kJump = 0x05,
    kJumpEqual = 0x15,
    kJumpGreater = 0x25,
    kJumpGreaterOrEqual = 0x35,
    kJumpBitsSet = 0x45,
    kReturn = 0x06,
    kReturnAccumulator = 0x16,
    kToIndex = 0x07,
    kFromIndex = 0x87,
};
// The operand is the index register, not k; of operations and conditional jumps.
constexpr std::uint16_t kWithIndex = 0x08;

constexpr std::uint16_t kClassMask = 0x07;
constexpr std::uint16_t kOperationClass = 0x04;
constexpr std::uint16_t kJumpClass = 0x05;

[[nodiscard]] bool is_sound_operation(const FilterInstruction& instruction) noexcept {
    const bool has_index = (instruction.code & kWithIndex) != 0;
    switch (instruction.code & ~kWithIndex) {
        case kAdd:
        case kSubtract:
        case kMultiply:
        case kOr:
        case kAnd:
        case kXor:
            return true;
        case kDivide:
        case kModulo:
            return has_index || instruction.k != 0;
        case kShiftLeft:
        case kShiftRight:
            return has_index || instruction.k < kWordBits;
        case kNegate:
            return !has_index;
        default:
            return false;
    }
}

// `left` is the number of instructions behind this one.
[[nodiscard]] bool is_sound_jump(const FilterInstruction& instruction, std::size_t left) noexcept {
    if (instruction.code == kJump) {
        return instruction.k < left;
    }
    switch (instruction.code & ~kWithIndex) {
        case kJumpEqual:
        case kJumpGreater:
        case kJumpGreaterOrEqual:
        case kJumpBitsSet:
            return instruction.jump_true < left && instruction.jump_false < left;
        default:
            return false;
    }
}

[[nodiscard]] bool is_sound(const FilterInstruction& instruction, std::size_t left) noexcept {
    switch (instruction.code) {
        case kLoadMemory:
        case kIndexMemory:
        case kStore:
        case kStoreIndex:
            return instruction.k < kMemoryWords;
        case kLoadWord:
        case kLoadHalf:
        case kLoadByte:
        case kLoadWordIndexed:
        case kLoadHalfIndexed:
        case kLoadByteIndexed:
        case kLoadImmediate:
        case kLoadLength:
        case kIndexImmediate:
        case kIndexLength:
        case kIndexHeaderLength:
        case kReturn:
        case kReturnAccumulator:
        case kToIndex:
        case kFromIndex:
            return true;
        default:
            break;
    }
    if ((instruction.code & kClassMask) == kJumpClass) {
        return is_sound_jump(instruction, left);
    }
    return (instruction.code & kClassMask) == kOperationClass && is_sound_operation(instruction);
}

// The registers, and the packet that they are loaded from.
class Machine {
  public:
    explicit Machine(std::span<const std::uint8_t> packet) noexcept : packet_(packet) {}

    [[nodiscard]] bool run(std::span<const FilterInstruction> program) noexcept {
        std::size_t next = 0;
        while (next < program.size()) {
            const FilterInstruction& instruction = program[next++];
            const std::uint16_t kind = instruction.code & kClassMask;
            if (kind == kJumpClass) {
                next += distance(instruction);
            } else if (kind == kOperationClass) {
                operate(instruction);
            } else if (instruction.code == kReturn) {
                return instruction.k != 0;
            } else if (instruction.code == kReturnAccumulator) {
                return accumulator_ != 0;
            } else {
                move(instruction);
            }
            if (is_over_) {
                return false;
            }
        }
        return false;
    }

  private:
    // Big-endian; outside the packet the program is over.
    [[nodiscard]] std::uint32_t load(std::uint64_t offset, std::size_t bytes) noexcept {
        if (offset + bytes > packet_.size()) {
            is_over_ = true;
            return 0;
        }
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < bytes; ++i) {
            value = value << 8U | packet_[offset + i];
        }
        return value;
    }

    void move(const FilterInstruction& instruction) noexcept {
        const std::uint32_t k = instruction.k;
        const std::uint64_t indexed = std::uint64_t{k} + index_;
        const auto length = static_cast<std::uint32_t>(packet_.size());
        switch (instruction.code) {
            case kLoadWord:
                accumulator_ = load(k, 4);
                break;
            case kLoadHalf:
                accumulator_ = load(k, 2);
                break;
            case kLoadByte:
                accumulator_ = load(k, 1);
                break;
            case kLoadWordIndexed:
                accumulator_ = load(indexed, 4);
                break;
            case kLoadHalfIndexed:
                accumulator_ = load(indexed, 2);
                break;
            case kLoadByteIndexed:
                accumulator_ = load(indexed, 1);
                break;
            case kIndexHeaderLength:
                index_ = (load(k, 1) & 0xFU) * 4;
                break;
            case kLoadImmediate:
                accumulator_ = k;
                break;
            case kLoadMemory:
                accumulator_ = memory_[k % kMemoryWords];
                break;
            case kLoadLength:
                accumulator_ = length;
                break;
            case kIndexImmediate:
                index_ = k;
                break;
            case kIndexMemory:
                index_ = memory_[k % kMemoryWords];
                break;
            case kIndexLength:
                index_ = length;
                break;
            case kStore:
                memory_[k % kMemoryWords] = accumulator_;
                break;
            case kStoreIndex:
                memory_[k % kMemoryWords] = index_;
                break;
            case kToIndex:
                index_ = accumulator_;
                break;
            case kFromIndex:
                accumulator_ = index_;
                break;
            default:  // check_filter() lets nothing else through
                is_over_ = true;
                break;
        }
    }

    void operate(const FilterInstruction& instruction) noexcept {
        const std::uint32_t operand = operand_of(instruction);
        switch (instruction.code & ~kWithIndex) {
            case kAdd:
                accumulator_ += operand;
                break;
            case kSubtract:
                accumulator_ -= operand;
                break;
            case kMultiply:
                accumulator_ *= operand;
                break;
            case kDivide:
            case kModulo:
                divide(instruction, operand);
                break;
            case kOr:
                accumulator_ |= operand;
                break;
            case kAnd:
                accumulator_ &= operand;
                break;
            case kXor:
                accumulator_ ^= operand;
                break;
            case kShiftLeft:
                accumulator_ = operand < kWordBits ? accumulator_ << operand : 0;
                break;
            case kShiftRight:
                accumulator_ = operand < kWordBits ? accumulator_ >> operand : 0;
                break;
            case kNegate:
                accumulator_ = 0U - accumulator_;
                break;
            default:
                is_over_ = true;
                break;
        }
    }

    // By 0 the program is over, without a match.
    void divide(const FilterInstruction& instruction, std::uint32_t operand) noexcept {
        if (operand == 0) {
            is_over_ = true;
            return;
        }
        const bool is_division = (instruction.code & ~kWithIndex) == kDivide;
        accumulator_ = is_division ? accumulator_ / operand : accumulator_ % operand;
    }

    // How many instructions to pass over.
    [[nodiscard]] std::size_t distance(const FilterInstruction& instruction) const noexcept {
        if (instruction.code == kJump) {
            return instruction.k;
        }
        const std::uint32_t operand = operand_of(instruction);
        bool is_true = false;
        switch (instruction.code & ~kWithIndex) {
            case kJumpEqual:
                is_true = accumulator_ == operand;
                break;
            case kJumpGreater:
                is_true = accumulator_ > operand;
                break;
            case kJumpGreaterOrEqual:
                is_true = accumulator_ >= operand;
                break;
            default:
                is_true = (accumulator_ & operand) != 0;
                break;
        }
        return is_true ? instruction.jump_true : instruction.jump_false;
    }

    [[nodiscard]] std::uint32_t operand_of(const FilterInstruction& instruction) const noexcept {
        return (instruction.code & kWithIndex) != 0 ? index_ : instruction.k;
    }

    std::span<const std::uint8_t> packet_;
    std::uint32_t accumulator_ = 0;
    std::uint32_t index_ = 0;
    bool is_over_ = false;
    std::array<std::uint32_t, kMemoryWords> memory_{};
};

}  // namespace

bool check_filter(std::span<const FilterInstruction> program) noexcept {
    if (program.empty() || program.size() > kMaxFilterInstructions) {
        return false;
    }
    for (std::size_t i = 0; i < program.size(); ++i) {
        if (!is_sound(program[i], program.size() - i - 1)) {
            return false;
        }
    }
    const std::uint16_t last = program.back().code;
    return last == kReturn || last == kReturnAccumulator;
}

bool matches_filter(std::span<const FilterInstruction> program,
                    std::span<const std::uint8_t> packet) noexcept {
    return program.empty() || Machine(packet).run(program);
}

}  // namespace fairlead
